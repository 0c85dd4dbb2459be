// A matrix as a heat map on a canvas, with the value of the cell under the pointer or the arrow keys.

import { html, set } from "./dom.js";
import { number } from "./series.js";

// Dark to light and blue to yellow: told apart by those who see no red or green, and in grey.
const RAMP = [[0, 32, 81], [18, 53, 112], [60, 77, 110], [98, 100, 112], [127, 124, 117], [154, 148, 120], [189, 175, 110], [226, 203, 92], [253, 234, 69]];

export function colour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  return RAMP[low].map((from, i) => Math.round(from + (RAMP[low + 1][i] - from) * (at - low)));
}

// Lowest and highest finite value.
export function bounds(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 0];
}

// RGBA of each cell; what is no number is left transparent.
export function pixels(values, low, high) {
  const data = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    data.set([...colour(high > low ? (value - low) / (high - low) : 0.5), 255], i * 4);
  });
  return data;
}

// `rows` x `columns` values stand for `shape`, which may be larger: then each is the mean of a block.
export function heatmap(name, { rows, columns, shape, values }) {
  const [low, high] = bounds(values);
  const canvas = html("canvas", { width: columns, height: rows, role: "img", tabindex: 0 });
  const context = canvas.getContext("2d");
  context.putImageData(new ImageData(pixels(values, low, high), columns, rows), 0, 0);
  const by = [shape[0] / rows, shape[1] / columns];
  const size = `${shape[0]} × ${shape[1]}${by[0] > 1 || by[1] > 1 ? ", means of blocks" : ""}`;
  set(canvas, "aria-label", `heat map of ${name}: ${shape[0]} rows, ${shape[1]} columns, from ${number(low)} to ${number(high)}. Arrow keys read cells`);
  const scale = html("div", { class: "ramp" }, html("span", {}, number(low)), html("i"), html("span", {}, number(high)), html("span", { class: "num" }, size));
  const said = html("div", { class: "num cell", role: "status" });
  let cell = [0, 0];

  function tell([row, column]) {
    cell = [Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1)];
    const value = values[cell[0] * columns + cell[1]];
    const at = cell.map((index, i) => (by[i] > 1 ? `${Math.floor(index * by[i])}…` : index));
    set(said, "text", `row ${at[0]}, column ${at[1]}: ${Number.isFinite(value) ? number(value) || 0 : "gap"}`);
  }

  canvas.addEventListener("pointermove", (event) => {
    const area = canvas.getBoundingClientRect();
    tell([Math.floor(((event.clientY - area.top) / area.height) * rows), Math.floor(((event.clientX - area.left) / area.width) * columns)]);
  });
  canvas.addEventListener("pointerleave", () => set(said, "text", ""));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    tell([cell[0] + step[0], cell[1] + step[1]]);
    event.preventDefault();
  });
  return html("div", { class: "heat" }, canvas, scale, said);
}
