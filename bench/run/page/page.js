"use strict";
// Draws the plots of every scenario from `runs`: scenario → one entry per run.
(() => {
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const short = v => v === 0 ? "0" : v >= 1e6 ? +(v / 1e6).toPrecision(3) + " M" : v >= 1e4 ? +(v / 1e3).toPrecision(3) + " k" : String(+v.toPrecision(3));
  const percentile = x => x <= 1 ? "0" : "p" + +(100 - 100 / x).toPrecision(7);

  // A server has one colour in all plots, that of what is side by side.
  const rivals = [...new Set(Object.values(runs).flat().filter(r => r.role === "rival").map(r => r.subject))];
  const colour = run => css(run.role === "product" ? "--k0" : run.role === "rival" ? "--k" + (1 + rivals.indexOf(run.subject) % 7) : "--k7");

  // decades leaves lines at powers of ten only, on axes that are logarithmic.
  const whole = v => v != null && Number.isInteger(Math.round(Math.log10(v) * 1e6) / 1e6);
  const decades = (u, vs) => vs.map(v => whole(v) ? v : null);

  // plot draws one line per run; `of` picks its [xs, ys].
  function plot(into, all, title, of, axes) {
    const shown = all.filter(r => of(r)[0].length > 1 && of(r)[1].some(y => y > 0));
    if (!shown.length) return;
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const names = [...new Set(shown.map(r => r.subject))];
    const key = document.createElement("p");
    key.className = "key";
    for (const name of names) {
      const chip = document.createElement("span");
      chip.className = "chip";
      chip.style.background = colour(shown.find(r => r.subject === name));
      const entry = document.createElement("span");
      entry.append(chip, name);
      key.append(entry);
    }
    const head = document.createElement("h3");
    head.textContent = title;
    figure.append(head, key);
    into.append(figure);

    const files = shown.length > 4
      ? `From ${shown.length} files, ${shown[0].file} to ${shown.at(-1).file}; point at a line for its own`
      : "From " + shown.map(r => r.file).join(", ");
    caption.textContent = files;
    const data = uPlot.join(shown.map(of));
    const grid = { stroke: css("--line"), width: 1, ...axes.grid }, stroke = css("--faint"), font = "11px system-ui, sans-serif";
    new uPlot({
      width: Math.min(555, into.clientWidth || 555), height: 250,
      legend: { show: false },
      focus: { alpha: 0.2 },
      cursor: { focus: { prox: 24 }, drag: { x: false, y: false } },
      scales: axes.scales,
      axes: [
        { ...axes.x, stroke, font, grid, ticks: grid },
        { ...axes.y, stroke, font, grid, ticks: grid, size: 62 },
      ],
      series: [{}].concat(shown.map(r => ({
        label: r.label, stroke: colour(r), width: r.role === "product" ? 1.6 : 1.1, spanGaps: true, points: { show: axes.points },
      }))),
      hooks: {
        setSeries: [(u, i) => {
          if (i == null || u.cursor.idx == null) { caption.textContent = files; return; }
          const run = shown[i - 1];
          // Joined data has holes: the nearest point of this line.
          const [xs, ys] = of(run), x = u.data[0][u.cursor.idx];
          let k = xs.findIndex(v => v >= x);
          if (k < 0) k = xs.length - 1;
          caption.textContent = `${run.label}: ${axes.say(xs[k], ys[k])} — ${run.file}`;
        }],
      },
    }, data, figure);
    figure.append(caption);
  }

  const latency = {
    scales: { x: { time: false, distr: 3, log: 10 }, y: { distr: 3, log: 10 } },
    x: { values: (u, vs) => vs.map(v => whole(v) ? percentile(v) : "") },
    y: { values: (u, vs) => vs.map(v => whole(v) ? short(v) + " ms" : "") },
    grid: { filter: decades },
    points: false,
    say: (x, y) => `${percentile(x)} ${short(y)} ms`,
  };
  const time = unit => ({
    scales: { x: { time: false }, y: { range: (u, min, max) => [0, (max || 1) * 1.1] } },
    x: { values: (u, vs) => vs.map(v => v + " s") },
    y: { values: (u, vs) => vs.map(short) },
    points: true,
    say: (x, y) => `${short(x)} s ${short(y)} ${unit}`,
  });

  function draw() {
    for (const div of document.querySelectorAll(".plots")) {
      const all = runs[div.dataset.scenario];
      div.replaceChildren();
      plot(div, all, "POST: intended time to answer", r => r.post, latency);
      plot(div, all, "Publish to receipt", r => r.receipt, latency);
      plot(div, all, "POST per second", r => [r.series[0], r.series[1]], time("POST/s"));
      plot(div, all, "Deliveries per second", r => [r.series[0], r.series[2]], time("deliveries/s"));
      plot(div, all, "Server, cores", r => [r.series[0], r.series[3]], time("cores"));
      plot(div, all, "Server, resident MiB", r => [r.series[0], r.series[4]], time("MiB"));
    }
  }
  draw();
  // Once more with other colours, or on another width.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    draw();
  });
})();
