// The list of live events. A person can follow about twenty a second: when more
// come, the service is asked for a sample, and the list says which part it shows.

import { Stream, check, conditions, curl } from "./service.js";
import { clock, count, hue, member, pretty, sessionOf, visible } from "./text.js";

const rows = 150;      // in the list
const perPaint = 12;   // new ones each time
const paintEvery = 250;
const wanted = 20;     // events a second, about: nobody reads more, and each costs the service a write
const samples = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];

const list = document.getElementById("tail");
const state = document.getElementById("tail-state");
let stream, where = [], level = 0, paused = false;
let fresh = [], came = 0, left = 0, held = 0, skipped = 0, lateSkips = 0, connection = "connecting";
let second = performance.now(), calm = 0, onSession = () => {};

const query = () => {
  const q = new URLSearchParams(where.map(w => ["where", w]));
  if (level > 0) q.set("sample", String(samples[level]));
  return q;
};

const open = () => {
  if (stream) stream.close();
  second = performance.now();
  came = 0;
  stream = new Stream(query(), {
    state: s => { connection = s; say(); },
    event: raw => {
      came++;
      if (paused) { left++; return; }
      fresh.push({ raw, at: Date.now() });
      if (fresh.length > rows) { fresh.shift(); left++; }
    },
    skipped: n => { skipped += n; lateSkips += n; },
  });
  document.getElementById("tail-curl").textContent = curl(where.map(w => ["where", w]));
};

const say = () => {
  const parts = [];
  if (connection !== "open") parts.push(connection);
  if (level > 0) parts.push(`showing about 1 of ${count(1 / samples[level])}`);
  if (paused) parts.push(`paused, ${count(left)} passed`);
  else if (held) parts.push(`holding still while you read, ${count(held)} passed`);
  if (skipped) parts.push(`${count(skipped)} skipped since this page opened`);
  state.textContent = parts.join(" · ") || (where.length ? "what the filter lets pass" : "all events");
};

// adapt keeps what comes near what can be read.
const adapt = now => {
  if (now - second < 1000) return;
  const rate = came * 1000 / (now - second);
  second = now;
  came = 0;
  calm = rate < wanted / 4 ? calm + 1 : 0;
  let next = level;
  while (rate * samples[next] / samples[level] > 2 * wanted && next < samples.length - 1) next++;
  if (calm >= 3 && level > 0) { next = level - 1; calm = 0; }
  if (next !== level) { level = next; open(); }
};

const row = ({ raw, at }) => {
  const li = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "row";
  button.setAttribute("aria-expanded", "false");
  const part = (cls, text) => {
    const s = document.createElement("span");
    s.className = cls;
    s.textContent = text;
    button.append(s);
    return s;
  };
  const name = member(raw, "event_name");
  part("at", clock(at));
  part("name", visible(name || "–", 24)).dataset.hue = hue(name);
  part("text", visible(raw, 220));
  part("size", count(raw.length));
  button.addEventListener("click", () => toggle(li, button, raw));
  li.append(button);
  return li;
};

const toggle = (li, button, raw) => {
  const more = li.querySelector(".more");
  button.setAttribute("aria-expanded", String(!more));
  if (more) { more.remove(); return; }
  const box = document.createElement("div");
  box.className = "more";
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.textContent = pretty(raw, 20000);
  box.append(pre);
  const id = sessionOf(raw);
  if (id) {
    const follow = document.createElement("button");
    follow.type = "button";
    follow.textContent = "Follow this session";
    follow.addEventListener("click", () => onSession(id));
    box.append(follow);
  }
  li.append(box);
};

const notice = text => {
  const li = document.createElement("li");
  li.className = "notice";
  li.textContent = text;
  return li;
};

const paint = () => {
  const now = performance.now();
  if (!paused) adapt(now);
  const reading = list.scrollTop > 4 || list.querySelector(".more");
  if (reading) {
    held += fresh.length;
    fresh = [];
  } else held = 0;
  if (!document.hidden && !paused && !reading && (fresh.length || lateSkips)) {
    const every = Math.ceil(fresh.length / perPaint); // of those that came, not the last burst
    const some = fresh.filter((_, i) => i % every === 0);
    left += fresh.length - some.length;
    fresh = [];
    const added = document.createDocumentFragment();
    for (const e of some.reverse()) added.append(row(e));
    if (lateSkips) { added.prepend(notice(`${count(lateSkips)} events skipped: this page was too slow`)); lateSkips = 0; }
    list.prepend(added);
    while (list.childElementCount > rows) list.lastElementChild.remove();
  }
  say();
};

export const start = followSession => {
  onSession = followSession;
  document.getElementById("pause").addEventListener("click", e => {
    paused = !paused;
    left = 0;
    fresh = [];
    e.currentTarget.setAttribute("aria-pressed", String(paused));
    e.currentTarget.textContent = paused ? "Go on" : "Pause";
    say();
  });
  document.getElementById("clear").addEventListener("click", () => list.replaceChildren());
  document.getElementById("filter").addEventListener("submit", async e => {
    e.preventDefault();
    const error = document.getElementById("filter-error");
    const asked = conditions(document.getElementById("where").value);
    try {
      error.textContent = visible((await check(new URLSearchParams(asked.map(w => ["where", w])))).replace("parameter: a query parameter is invalid: where: ", ""), 300);
    } catch { error.textContent = "The service does not answer."; }
    if (error.textContent) return;
    where = asked;
    level = 0;
    skipped = 0;
    list.replaceChildren();
    open();
  });
  open();
  setInterval(paint, paintEvery);
};
