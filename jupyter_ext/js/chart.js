// A chart of lines: zoom by dragging, values under the pointer or the arrow keys, lines on and off, a logarithmic axis.

import uPlot from "uplot";

import { html, set } from "./dom.js";
import { aligned, exact, named, nearest, number, spliced, summary } from "./series.js";

const HIGH = 200;
const COLOURS = 7;
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
// Points in a chart from which on lines are hair-thin and unbroken: a browser draws those three to four times as fast.
const DENSE = 4000;

// `detail(low, high)` asks for the points of a range; they come to `detailed`. `what` names the x-axis.
export function createChart({ name, what = "step", detail = () => {} }) {
  const place = html("div", { class: "chart", role: "img", tabindex: 0 });
  const legend = html("div", { class: "legend" });
  const log = html("button", { class: "link", "aria-pressed": "false", title: "Logarithmic y-axis" }, "log");
  const whole = html("button", { class: "link", hidden: true, title: "The whole range (0)" }, "whole range");
  const said = html("span", { class: "aloud", role: "status" });
  const note = html("span", { class: "num" });
  const read = html("span", { class: "num read" });
  const caption = html("figcaption", {}, name ? html("span", {}, name) : null, whole, log, note, read);
  const element = html("figure", { class: "lines" }, caption, place, legend, said);
  const off = new Set(); // names of lines that are not shown
  let lines = [];
  let drawn = null;
  let shape = "";
  let zoom = null; // [low, high]
  let fine = null; // { low, high, tracks } that were asked for
  let steady = false; // this changes the scale, nobody else
  let pending = 0;
  let keyed = null; // the step that the keys are at: between two there may be less than a pixel

  const dense = () => lines.reduce((sum, line) => sum + line.xs.length, 0) > DENSE;
  const dashes = (i, thin) => (thin ? 0 : Math.floor(i / COLOURS) % DASHES.length);
  const css = (property) => getComputedStyle(element).getPropertyValue(property).trim();
  const shown = () => (fine && zoom ? lines.map((line) => spliced(line, fine.tracks[line.track], fine.low, fine.high)) : lines);

  function draw(given = lines) {
    lines = given;
    const wide = place.clientWidth;
    if (!wide) return; // it is not on show; it is drawn when it is
    const pressed = log.getAttribute("aria-pressed") === "true";
    const data = aligned(shown(), pressed);
    const thin = dense();
    const wanted = `${lines.map((line) => line.name).join("\n")}\0${pressed}${thin}`;
    steady = true;
    if (wanted !== shape) {
      drawn?.destroy();
      drawn = new uPlot(options(wide, pressed, thin), data, place);
      shape = wanted;
      place.dataset.made = Number(place.dataset.made ?? 0) + 1;
      if (zoom) drawn.setScale("x", { min: zoom[0], max: zoom[1] });
    } else if (zoom) {
      drawn.setData(data, false);
      drawn.setScale("x", { min: zoom[0], max: zoom[1] });
    } else drawn.setData(data);
    if (drawn.width !== wide) drawn.setSize({ width: wide, height: HIGH });
    steady = false;
    const left = pressed ? lines.reduce((sum, line) => sum + line.ys.filter((y) => y <= 0).length, 0) : 0;
    set(note, "text", left ? `${left} values not above 0 are left out` : "");
    set(place, "aria-label", `${summary(name, lines)}. Arrow keys read values, plus and minus zoom`);
    tell();
  }

  function options(wide, pressed, thin) {
    const axis = { stroke: () => css("--fg2"), grid: { stroke: () => css("--line"), width: 1 }, ticks: { show: false }, font: "10.5px system-ui, sans-serif" };
    return {
      width: wide,
      height: HIGH,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      focus: { alpha: 0.15 },
      cursor: { y: false, drag: { x: true, y: false, dist: 5 }, points: { size: 6 }, dataIdx },
      scales: {
        x: { time: false, range: (_, low, high) => (low == null ? [0, 1] : low === high ? [low - 1, high + 1] : [low, high]) },
        y: pressed ? { distr: 3, log: 10 } : {},
      },
      axes: [
        { ...axis, size: 24, gap: 4, values: (_, ticks) => ticks.map(exact) },
        { ...axis, size: 54, gap: 4, filter: (_, ticks) => ticks, values: (_, ticks) => (pressed ? named(ticks) : ticks.map(number)) },
      ],
      series: [{}, ...lines.map((line, i) => ({
        show: !off.has(line.name), label: "", width: thin ? 1 / devicePixelRatio : 1.5, dash: DASHES[dashes(i, thin)],
        stroke: () => css(`--p${i % COLOURS}`), points: { size: 4 },
      }))],
      hooks: { setCursor: [() => pointed()], setScale: [(chart, key) => key === "x" && scaled(chart)] },
    };
  }

  // The nearest place where a line has a value: lines with steps of their own have none at most places.
  function dataIdx(chart, line, at) {
    const ys = chart.data[line];
    if (line === 0 || ys[at] != null) return at;
    for (let away = 1; away < ys.length; away += 1) {
      if (ys[at - away] != null) return at - away;
      if (ys[at + away] != null) return at + away;
    }
    return at;
  }

  function scaled(chart) {
    if (steady) return;
    const { min, max } = chart.scales.x;
    const xs = chart.data[0];
    const all = min <= xs[0] && max >= xs.at(-1);
    zoom = all ? null : [min, max];
    whole.hidden = all;
    if (all && fine) {
      fine = null;
      later();
    }
    if (!all) detail(min, max);
  }

  function later() {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => draw());
  }

  function pointed() {
    if (steady) return;
    keyed = null;
    tell();
  }

  const pointer = () => (drawn && drawn.cursor.left >= 0 ? drawn.posToVal(drawn.cursor.left, "x") : null);

  // Values under the pointer, else the latest.
  function tell(aloud = false) {
    const at = keyed ?? pointer();
    while (legend.children.length > lines.length) legend.lastChild.remove();
    const now = shown();
    const thin = dense();
    const values = now.map((line, i) => {
      const point = at == null ? line.xs.length - 1 : nearest(line.xs, at);
      const entry = legend.children[i] ?? legend.appendChild(item(i));
      set(entry.firstChild, "class", `c${i % COLOURS} d${dashes(i, thin)}`);
      set(entry.children[1], "text", line.name);
      set(entry.lastChild, "text", number(line.ys[point]) || "gap");
      set(entry, "aria-pressed", String(!off.has(line.name)));
      return `${line.name} ${number(line.ys[point]) || "gap"}`;
    });
    const xs = drawn.data[0];
    const where = at == null || !xs.length ? "" : `${what} ${exact(xs[nearest(xs, at)])}`;
    set(read, "text", where);
    if (aloud && where) set(said, "text", `${where}: ${values.filter((_, i) => !off.has(now[i].name)).slice(0, 8).join(", ")}`);
  }

  function item(i) {
    const button = html("button", { title: "Show or hide this line" }, html("i"), html("span"), html("b"));
    button.addEventListener("click", () => {
      const line = lines[i].name;
      if (!off.delete(line)) off.add(line);
      drawn.setSeries(i + 1, { show: !off.has(line) });
      tell();
    });
    // Of twenty lines several have a colour: the one that is pointed at stands out.
    for (const [event, on] of Object.entries({ pointerenter: true, focus: true, pointerleave: false, blur: false })) {
      button.addEventListener(event, () => drawn.setSeries(on ? i + 1 : null, { focus: true }));
    }
    return button;
  }

  function zoomTo(low, high) {
    const xs = drawn.data[0];
    drawn.setScale("x", { min: Math.max(low, xs[0]), max: Math.min(high, xs.at(-1)) });
  }

  function pressed(event) {
    if (!drawn || event.ctrlKey || event.metaKey || event.altKey || !drawn.data[0].length) return;
    const xs = drawn.data[0];
    const { min, max } = drawn.scales.x;
    const from = keyed ?? pointer();
    const at = from == null ? xs.length : nearest(xs, from);
    const go = { ArrowLeft: at - 1, ArrowRight: Math.min(at + 1, xs.length - 1), PageUp: at - 20, PageDown: at + 20, Home: 0, End: xs.length - 1 }[event.key];
    const middle = at < xs.length ? xs[at] : (min + max) / 2;
    if (go !== undefined) {
      const to = Math.min(Math.max(go, nearest(xs, min)), nearest(xs, max));
      steady = true;
      drawn.setCursor({ left: drawn.valToPos(xs[to], "x"), top: 10 });
      steady = false;
      keyed = xs[to];
      tell(true);
    } else if (event.key === "+" || event.key === "=") zoomTo(middle - (max - min) / 4, middle + (max - min) / 4);
    else if (event.key === "-") zoomTo(middle - (max - min), middle + (max - min));
    else if (event.key === "0" || (event.key === "Escape" && zoom)) reset();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function reset() {
    zoom = fine = null;
    whole.hidden = true;
    draw();
  }

  place.addEventListener("keydown", pressed);
  place.addEventListener("dblclick", reset);
  whole.addEventListener("click", reset);
  log.addEventListener("click", () => {
    set(log, "aria-pressed", String(log.getAttribute("aria-pressed") !== "true"));
    draw();
  });
  const size = new ResizeObserver(() => (place.clientWidth && drawn?.width !== place.clientWidth ? later() : undefined));
  size.observe(place);

  return {
    element,
    draw,
    tracks: () => lines.map((line) => line.track),
    themed: () => drawn?.redraw(false, true),
    detailed(low, high, tracks) {
      if (!zoom || zoom[0] !== low || zoom[1] !== high) return; // somebody has gone on
      fine = { low, high, tracks };
      draw();
    },
    stop() {
      size.disconnect();
      cancelAnimationFrame(pending);
      drawn?.destroy();
    },
  };
}
