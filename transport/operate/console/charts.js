// Live charts of the last two minutes.

import { short } from "./text.js";

const points = 120; // seconds
const height = 140;
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// history is a column of time and, by name, columns of values. All have one length.
const history = { t: [] };
for (const k of ["in", "out", "p50", "p99", "skipped", "refused"]) history[k] = [];

export const push = row => {
  for (const k in history) {
    history[k].push(row[k] ?? null);
    if (history[k].length > points) history[k].shift();
  }
};

const specs = [
  { at: "c-in", lines: [["in", "events/s", "--c1"]] },
  { at: "c-out", lines: [["out", "deliveries/s", "--c1"]] },
  { at: "c-latency", lines: [["p50", "p50", "--c1"], ["p99", "p99", "--c2"]] },
  { at: "c-loss", lines: [["skipped", "skipped", "--c2"], ["refused", "refused", "--c3"]] },
];
let charts = [];

const now = () => history.t.at(-1);
const data = spec => [history.t, ...spec.lines.map(([key]) => history[key])];

const make = spec => {
  const box = document.getElementById(spec.at);
  box.replaceChildren(); // it said that there is nothing yet
  const axis = { stroke: css("--quiet"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11.5px system-ui" };
  const chart = new uPlot({
    width: Math.max(box.clientWidth, 200), height, padding: [6, 12, 0, 0],
    legend: { show: false }, cursor: { y: false },
    scales: { x: { time: false, range: () => [now() - points, now()] }, y: { range: (_, low, high) => [0, Math.max(high * 1.15, 4)] } },
    axes: [{ ...axis, size: 27, gap: 8, splits: () => [now() - points, now() - points / 2, now()], values: () => ["2 min ago", "1 min ago", "now"],
             align: 0 },
           { ...axis, size: 46, space: 24, incrs: [1, 2, 5].flatMap(n => [0, 1, 2, 3, 4, 5, 6, 7].map(e => n * 10 ** e)).sort((a, b) => a - b), values: (_, vs) => vs.map(v => short(v).replace(".0 ", " ")) }],
    series: [{}, ...spec.lines.map(([, label, colour]) => ({ label, stroke: css(colour), width: 1.8, fill: spec.lines.length === 1 ? css(colour) + "22" : undefined, points: { show: false } }))],
  }, data(spec), box);
  return { spec, chart, box };
};

export const draw = () => {
  if (document.hidden || !history.t.length) return;
  if (!charts.length) charts = specs.map(make);
  for (const c of charts) {
    c.chart.setData(data(c.spec));
    const last = c.spec.lines.map(([key, label]) => `${label} ${short(history[key].at(-1) ?? 0)}`).join(", ");
    c.box.setAttribute("role", "img");
    c.box.setAttribute("aria-label", `${c.box.previousElementSibling.firstChild.textContent.trim()}: now ${last}`);
  }
};

// remake is for new colours.
export const remake = () => {
  for (const c of charts) c.chart.destroy();
  charts = [];
  draw();
};

new ResizeObserver(() => {
  for (const c of charts) if (c.box.clientWidth !== c.chart.width) c.chart.setSize({ width: Math.max(c.box.clientWidth, 200), height });
}).observe(document.querySelector(".charts"));
