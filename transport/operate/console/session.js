// One session from its START to its STOP or ERROR.

import { Stream, curl } from "./service.js";
import { clock, count, hue, member, pretty, visible } from "./text.js";

const most = 200; // entries
const list = document.getElementById("timeline");
const state = document.getElementById("session-state");
const field = document.getElementById("session");
let stream, waiting = [], beats = null, followed = "";

const entry = (name, at, raw) => {
  const li = document.createElement("li");
  li.dataset.hue = hue(name);
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = `${clock(at)}  ${visible(name || "event", 40)}`;
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) {
      const pre = document.createElement("pre");
      pre.textContent = pretty(raw, 20000);
      details.append(pre);
    }
  });
  li.append(details);
  list.append(li);
  if (list.childElementCount > most) list.firstElementChild.remove();
  return summary;
};

// Heartbeats in a row are one entry that counts them.
const show = ({ raw, at }) => {
  const name = member(raw, "event_name");
  if (name === "HEARTBEAT" && beats) {
    beats.n++;
    beats.summary.textContent = `${beats.from} – ${clock(at)}  HEARTBEAT × ${count(beats.n)}`;
    return;
  }
  const summary = entry(name, at, raw);
  beats = name === "HEARTBEAT" ? { n: 1, from: clock(at), summary } : null;
  if (name === "STOP" || name === "ERROR") state.textContent = `The session ended with ${name}.`;
};

setInterval(() => {
  for (const e of waiting.splice(0, 50)) show(e);
  if (waiting.length > most) waiting = waiting.slice(-most);
}, 200);

export const follow = id => {
  stop();
  followed = id;
  field.value = visible(id);
  document.getElementById("session-stop").hidden = false;
  list.replaceChildren();
  state.textContent = "Waiting for its events. Nothing is stored: what came before is not shown.";
  const query = { where: "session_id=" + id.replace(/^[=<>!^~]|[\\,]/g, c => "\\" + c) };
  stream = new Stream(query, {
    state: s => { if (s !== "open") state.textContent = s; },
    event: raw => waiting.push({ raw, at: Date.now() }),
    skipped: n => { state.textContent = `${count(n)} events of all sessions were skipped; some may be of this one.`; },
  });
  document.getElementById("session-curl").textContent = curl(query);
  document.getElementById("session-curl-line").hidden = false;
  document.getElementById("session-title").scrollIntoView({ block: "nearest" });
};

const stop = () => {
  if (stream) stream.close();
  stream = null;
  waiting = [];
  beats = null;
  document.getElementById("session-stop").hidden = true;
};

document.getElementById("session-form").addEventListener("submit", e => {
  e.preventDefault();
  const typed = field.value.trim();
  if (typed) follow(typed === visible(followed).trim() ? followed : typed);
});
document.getElementById("session-stop").addEventListener("click", () => { stop(); state.textContent = "Not following."; });
