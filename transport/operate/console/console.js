// The figures: asked for once a second, shown as tiles and charts.

import { base, curl, get, learnBase, post, signIn } from "./service.js";
import * as charts from "./charts.js";
import * as tail from "./tail.js";
import { follow } from "./session.js";
import { bytes, count, seconds, shellQuote, short, span, visible } from "./text.js";

const $ = id => document.getElementById(id);
const set = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
let before, started = false;

const sum = o => Object.values(o || {}).reduce((a, b) => a + b, 0);

// quantile estimates from what was added to the buckets between two looks.
const quantile = (q, now, then) => {
  const total = now.count - then.count;
  if (total <= 0) return null;
  let low = 0;
  for (let i = 0; i < now.bounds.length; i++) {
    const n = now.counts[i] - then.counts[i];
    const under = i ? now.counts[i - 1] - then.counts[i - 1] : 0;
    if (n >= q * total) return low + (now.bounds[i] - low) * (q * total - under) / Math.max(n - under, 1);
    low = now.bounds[i];
  }
  return low;
};

// horizon is how long a consumer may pause now before it misses events: the ring holds
// so many bytes, and they come at this rate.
const horizon = (s, perSecond) =>
  perSecond > 0 && s.ring.events > 0 ? Math.min(s.ring.capacity_bytes / (perSecond * s.ring.bytes / s.ring.events), 86400 * 7) : Infinity;

const show = s => {
  const state = s.ready || "ready";
  set("state", state + (s.degraded && s.degraded.length ? ": " + s.degraded.join(", ") : ""));
  $("state").dataset.state = state;
  set("about", `${s.version} · up ${span((s.now - s.started) / 1000)}`);
  if (before && s.now > before.now && s.started === before.started) rates(s, before);
  before = s;
  set("t-consumers", count(sum(s.consumers)));
  set("t-consumers-more", Object.entries(s.consumers).filter(([, n]) => n).map(([w, n]) => `${count(n)} ${w}`).join(", ") || "nobody listens");
  set("t-in-more", `${short(s.received)} sent in all`);
  set("t-out-more", `${bytes(s.bytes_out)} in all`);
  $("tile-relay").hidden = !s.relay;
  if (s.relay) {
    set("t-relay", s.relay.up ? count(s.relay.origins) : "unreachable");
    $("tile-relay").toggleAttribute("data-alarm", !s.relay.up);
    set("t-relay-more", `${s.relay.carrier} · ${short(s.relay.gaps)} lost between`);
  }
  consumers(s);
};

const rates = (s, then) => {
  const dt = (s.now - then.now) / 1000;
  const per = (a, b) => Math.max(a - b, 0) / dt;
  const refused = per(sum(s.rejected), sum(then.rejected));
  const row = {
    t: s.now / 1000, in: per(s.published, then.published), out: per(s.delivered, then.delivered),
    skipped: per(s.skipped, then.skipped), refused,
  };
  const p50 = quantile(0.5, s.latency, then.latency), p99 = quantile(0.99, s.latency, then.latency);
  row.p50 = p50 === null ? null : p50 * 1000;
  row.p99 = p99 === null ? null : p99 * 1000;
  charts.push(row);
  charts.draw();
  set("t-in", short(row.in));
  set("t-out", short(row.out));
  set("t-p99", p99 === null ? "–" : seconds(p99));
  set("t-p99-more", p50 === null ? "nothing was written" : "p50 " + seconds(p50));
  set("t-skipped", short(row.skipped));
  set("t-skipped-more", `${count(s.lagging)} lag · ${short(s.skipped)} in all`);
  $("t-skipped").closest(".tile").toggleAttribute("data-alarm", row.skipped > 0);
  set("t-refused", short(refused));
  const worst = Object.entries(s.rejected).map(([r, n]) => [r, n - (then.rejected[r] || 0)]).sort((a, b) => b[1] - a[1])[0];
  set("t-refused-more", worst && worst[1] > 0 ? worst[0] : `${short(sum(s.rejected))} in all`);
  $("t-refused").closest(".tile").toggleAttribute("data-alarm", refused > 0);
  const h = horizon(s, row.in);
  set("t-horizon", h === Infinity ? "any time" : span(h));
  set("t-horizon-more", h === Infinity ? "nothing comes in" : "then consumers skip");
};

const consumers = s => {
  if (!s.streams) { set("consumers-state", count(s.streams_total)); return; } // nobody looks
  const shown = s.streams;
  set("consumers-state", s.streams_total > shown.length ? `the ${shown.length} that lag most, of ${count(s.streams_total)}` : `${count(shown.length)}`);
  const body = document.createDocumentFragment();
  for (const c of shown) {
    const tr = document.createElement("tr");
    const cell = (text, cls) => {
      const td = document.createElement("td");
      td.textContent = text;
      if (cls) td.className = cls;
      tr.append(td);
      return td;
    };
    cell(String(c.id));
    cell(visible(c.name || "", 40));
    cell(c.wire);
    cell(visible(c.view || "everything", 200), "view");
    cell(span(Math.max(s.now - Date.parse(c.since), 0) / 1000));
    cell(c.up_to_date ? "0" : count(c.lag)).toggleAttribute("data-alarm", !c.up_to_date && c.lag > 1000);
    cell(count(c.skipped)).toggleAttribute("data-alarm", c.skipped > 0);
    cell(count(c.delivered));
    body.append(tr);
  }
  $("consumers").replaceChildren(body);
};

const inView = id => $(id).getBoundingClientRect().top < innerHeight && $(id).getBoundingClientRect().bottom > 0;

const look = async () => {
  let wait = 1000;
  if (!document.hidden || !before) {
    try {
      const s = await get("console/stats" + (inView("consumers") || inView("consumers-title") ? "?streams=100" : ""));
      $("login").hidden = true;
      learnBase(s.public_ports);
      show(s);
      if (!started) { started = true; begin(); }
    } catch (e) {
      if (e.status === 401 || e.status === 403) {
        set("state", "signed out");
        $("state").dataset.state = "lost";
        $("login").hidden = false;
        if (e.status === 403) set("login-error", "This token does not have the role operate.");
        return; // until somebody signs in
      }
      set("state", "no answer, trying again");
      $("state").dataset.state = "lost";
      wait = 2000;
    }
  }
  setTimeout(look, wait);
};

const begin = () => {
  tail.start(follow);
  const example = () => {
    // In JSON a line's end is a blank.
    set("send-curl", `curl ${shellQuote(base() + "/api/events")} --data-raw ${shellQuote($("event").value.replace(/[\t\n\r]/g, " "))}`);
    set("listen-curl", curl());
  };
  example();
  $("event").addEventListener("input", example);
  $("send").addEventListener("submit", async e => {
    e.preventDefault();
    set("send-state", "…");
    try {
      const resp = await post("/api/events", $("event").value);
      set("send-state", resp.ok ? `${resp.status}: every consumer that listens has it` : visible(`${resp.status}: ${(await resp.text()).trim()}`, 300));
    } catch { set("send-state", "the service does not answer"); }
  });
};

$("login").addEventListener("submit", e => {
  e.preventDefault();
  signIn($("token").value.trim());
  $("token").value = "";
  set("login-error", "");
  look();
});

document.addEventListener("click", async e => {
  const id = e.target.dataset && e.target.dataset.copy;
  if (!id) return;
  try { await navigator.clipboard.writeText($(id).textContent); e.target.textContent = "Copied"; } catch {
    getSelection().selectAllChildren($(id));
    e.target.textContent = "Selected";
  }
  setTimeout(() => { e.target.textContent = "Copy"; }, 1500);
});

const theme = dark => {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").setAttribute("aria-pressed", String(dark));
  charts.remake();
};
const dark = matchMedia("(prefers-color-scheme: dark)");
theme(dark.matches);
dark.addEventListener("change", e => theme(e.matches));
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme !== "dark"));

look();
