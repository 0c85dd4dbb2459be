// Line charts of tracks. `loss/svm` and `loss/forest` are lines of one chart, `loss`.

import { html, set, svg } from "./dom.js";

const WIDE = 420;
const HIGH = 190;
const LEFT = 46;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 24;

export function charts(tracks) {
  const found = new Map();
  for (const [name, [, points]] of Object.entries(tracks)) {
    const cut = name.indexOf("/");
    const chart = cut > 0 ? name.slice(0, cut) : name;
    if (!found.has(chart)) found.set(chart, []);
    found.get(chart).push({ name: cut > 0 ? name.slice(cut + 1) : name, points });
  }
  return [...found].map(([name, lines]) => ({ name, lines }));
}

// Round numbers between low and high, about `count` of them.
export function ticks(low, high, count = 4) {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const first = Math.ceil(low / step - 1e-9);
  const found = [];
  for (let i = first; i * step <= high + step * 1e-9; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}

// Of each pixel column the lowest and highest value: looks the same, however many points there are.
export function thin(points, columns) {
  const real = points.filter(([step, value]) => step != null && value != null).sort((a, b) => a[0] - b[0]);
  if (real.length <= columns * 2) return real;
  const low = real[0][0];
  const scale = columns / (real.at(-1)[0] - low || 1);
  const kept = [];
  let column = -1;
  let least;
  let most;
  const flush = () => column >= 0 && kept.push(...(least === most ? [least] : [least, most].sort((a, b) => a[0] - b[0])));
  for (const point of real) {
    const at = Math.min(columns - 1, Math.floor((point[0] - low) * scale));
    if (at !== column) {
      flush();
      column = at;
      least = most = point;
    } else if (point[1] < least[1]) least = point;
    else if (point[1] > most[1]) most = point;
  }
  flush();
  return kept;
}

export function number(value) {
  if (value == null) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

export function createPlots({ store }) {
  const element = html("div", { class: "plots" });
  const drawn = new Map();

  function draw() {
    const wanted = charts(store.state.tracks);
    const names = new Set(wanted.map((chart) => chart.name));
    for (const [name, plot] of drawn) {
      if (names.has(name)) continue;
      plot.element.remove();
      drawn.delete(name);
    }
    for (const chart of wanted) {
      if (!drawn.has(chart.name)) {
        const plot = createPlot(chart.name);
        drawn.set(chart.name, plot);
        element.append(plot.element);
      }
      drawn.get(chart.name).draw(chart.lines);
    }
    element.classList.toggle("none", !wanted.length);
  }

  return { element, draw, count: () => charts(store.state.tracks).length };
}

function createPlot(name) {
  const axes = svg("g", { class: "axes" });
  const curves = svg("g", { class: "curves" });
  const pointer = svg("path", { class: "pointer" });
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `plot of ${name}` }, axes, curves, pointer);
  const legend = html("div", { class: "legend" });
  const element = html("figure", {}, html("figcaption", {}, name), picture, legend);
  let lines = [];
  let toX = (x) => x;
  let fromX = (x) => x;

  function draw(given) {
    lines = given.map((line) => ({ ...line, points: thin(line.points, WIDE - LEFT - RIGHT) })).filter((line) => line.points.length);
    const steps = lines.flatMap((line) => [line.points[0][0], line.points.at(-1)[0]]);
    const values = lines.flatMap((line) => line.points.map((point) => point[1]));
    let [low, high] = [Math.min(...steps), Math.max(...steps)];
    let [bottom, top] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
    if (!lines.length) [low, high, bottom, top] = [0, 1, 0, 1];
    if (low === high) [low, high] = [low - 1, high + 1];
    const pad = (top - bottom) * 0.06 || Math.abs(top) * 0.1 || 1;
    [bottom, top] = [bottom - pad, top + pad];
    toX = (step) => LEFT + ((step - low) / (high - low)) * (WIDE - LEFT - RIGHT);
    fromX = (x) => low + ((x - LEFT) / (WIDE - LEFT - RIGHT)) * (high - low);
    const toY = (value) => HIGH - BOTTOM - ((value - bottom) / (top - bottom)) * (HIGH - TOP - BOTTOM);
    axes.replaceChildren(
      ...ticks(bottom, top).map((value) => svg("g", {}, svg("path", { d: `M${LEFT} ${toY(value).toFixed(1)}H${WIDE - RIGHT}` }),
        svg("text", { x: LEFT - 6, y: toY(value) + 3.5, "text-anchor": "end" }, number(value)))),
      ...ticks(low, high, 6).map((step) => svg("text", { x: toX(step), y: HIGH - 7, "text-anchor": "middle" }, number(step))),
    );
    curves.replaceChildren(...lines.map((line, i) => {
      if (line.points.length === 1) return svg("circle", { class: `c${i % 7}`, cx: toX(line.points[0][0]), cy: toY(line.points[0][1]), r: 2.5 });
      return svg("path", { class: `c${i % 7}`, d: `M${line.points.map(([x, y]) => `${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`).join("L")}` });
    }));
    tell(null);
  }

  function tell(step) {
    while (legend.children.length > lines.length) legend.lastChild.remove();
    lines.forEach((line, i) => {
      const at = step == null ? line.points.at(-1) : nearest(line.points, step);
      const entry = legend.children[i] ?? legend.appendChild(html("span", {}, html("i"), html("span"), html("b")));
      set(entry.firstChild, "class", `c${i % 7}`);
      set(entry.children[1], "text", line.name);
      set(entry.lastChild, "text", number(at[1]));
    });
  }

  picture.addEventListener("pointermove", (event) => {
    const area = picture.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * WIDE;
    if (!lines.length || x < LEFT || x > WIDE - RIGHT) return;
    const at = nearest(lines[0].points, fromX(x))[0];
    set(pointer, "d", `M${toX(at).toFixed(1)} ${TOP}V${HIGH - BOTTOM}`);
    tell(at);
  });
  picture.addEventListener("pointerleave", () => {
    set(pointer, "d", "");
    tell(null);
  });

  return { element, draw };
}

export function nearest(points, step) {
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < step) low = middle;
    else high = middle;
  }
  return Math.abs(points[low][0] - step) <= Math.abs(points[high][0] - step) ? points[low] : points[high];
}
