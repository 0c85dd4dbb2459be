// Pictures that there is one of per step: a vector, a heat map, an image or a table, and a slider through the steps.

import { createChart } from "./chart.js";
import { html, set } from "./dom.js";
import { heatmap } from "./heatmap.js";
import { exact, number } from "./series.js";

const HELD = 30; // contents of one track that the view keeps
const PACE = 500; // ms between two that come by themselves

export function createFrames({ name, store }) {
  const place = html("div", { class: "frame" });
  const slider = html("input", { type: "range", min: 0, step: 1, "aria-label": `step of ${name}` });
  const step = html("span", { class: "num" });
  const latest = html("button", { class: "link", title: "Follow the run" }, "latest");
  const steps = html("div", { class: "steps" }, slider, step, latest);
  const element = html("figure", { class: "picture-of" }, html("figcaption", {}, name), place, steps);
  const held = new Map(); // id -> content
  const asked = new Map(); // id -> when
  let list = []; // [id, step, kind] by step
  let follows = true;
  let at = null; // the id on show
  let wanted = null;
  let shown = null; // what to stop
  let last = -PACE;
  let timer = 0;

  function draw(frames) {
    list = [...frames].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
    steps.hidden = list.length < 2;
    set(slider, "max", Math.max(list.length - 1, 0));
    latest.hidden = follows;
    if (!list.length) return;
    const kept = list.findIndex(([id]) => id === wanted);
    if (follows || kept < 0) choose(list.length - 1, true);
    else move(kept);
  }

  function move(index) {
    slider.value = index;
    const text = `step ${exact(list[index][1])}`;
    set(step, "text", `${text} (${index + 1} of ${list.length})`);
    set(slider, "aria-valuetext", text);
  }

  function choose(index, calm) {
    [wanted] = list[index];
    move(index);
    if (held.has(wanted)) return put(wanted);
    if (asked.size && calm) return undefined; // the next is asked for when this one is here
    clearTimeout(timer);
    const wait = calm ? Math.max(0, last + PACE - performance.now()) : 0;
    if (wait) timer = setTimeout(ask, wait);
    else ask();
    return undefined;
  }

  function ask() {
    if (wanted === null || asked.has(wanted) || !place.isConnected) return;
    last = performance.now();
    if (store.send({ kind: "frame", track: name, id: wanted })) asked.set(wanted, last);
    else if (!place.childElementCount) place.replaceChildren(html("span", { class: "bad" }, "The kernel is gone."));
  }

  function came(message, buffers) {
    asked.delete(message.id);
    held.set(message.id, { ...message, buffers });
    if (held.size > HELD) held.delete(held.keys().next().value);
    if (message.id === wanted) put(wanted);
    else if (follows && list.length) choose(list.length - 1, true);
  }

  function put(id) {
    if (at === id) return;
    at = id;
    shown?.();
    const content = held.get(id);
    const drawn = content.why ? { element: html("span", { class: "bad" }, content.why) } : (DRAW[content.type] ?? unknown)(name, content);
    place.replaceChildren(drawn.element);
    drawn.begin?.();
    shown = drawn.stop;
  }

  slider.addEventListener("input", () => {
    follows = Number(slider.value) === list.length - 1;
    latest.hidden = follows;
    choose(Number(slider.value), false);
  });
  latest.addEventListener("click", () => {
    follows = true;
    draw(list);
    slider.focus();
  });

  return {
    element,
    draw,
    came,
    themed: () => shown?.themed?.(),
    stop() {
      clearTimeout(timer);
      shown?.();
    },
  };
}

const floats = (buffer) => new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
const doubles = (buffer) => new Float64Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));

const DRAW = {
  matrix: (name, { rows, columns, shape, buffers }) => ({ element: heatmap(name, { rows, columns, shape, values: floats(buffers[0]) }) }),

  vector(name, { step, buffers }) {
    const chart = createChart({ name: "", what: "index" });
    const line = { track: name, name: `step ${exact(step)}`, xs: doubles(buffers[0]), ys: doubles(buffers[1]) };
    const stop = () => chart.stop();
    stop.themed = () => chart.themed();
    return { element: chart.element, begin: () => chart.draw([line]), stop };
  },

  image(name, { step, mime, buffers }) {
    const url = URL.createObjectURL(new Blob([buffers[0]], { type: mime }));
    const image = html("img", { src: url, alt: `${name} at step ${exact(step)}` });
    return { element: html("div", { class: "shown" }, image), stop: () => URL.revokeObjectURL(url) };
  },

  table(name, { columns, rows, total }) {
    const head = html("tr", {}, ...columns.map((column) => html("th", { scope: "col" }, column)));
    const body = rows.map((row) => html("tr", {}, ...row.map((cell) => html("td", typeof cell === "number" ? { class: "n" } : {}, cellText(cell)))));
    const table = html("table", { "aria-label": `table of ${name}` }, html("thead", {}, head), html("tbody", {}, ...body));
    const more = total > rows.length ? html("div", { class: "num" }, `the first ${rows.length} of ${total} rows`) : null;
    return { element: html("div", {}, html("div", { class: "cells", tabindex: 0 }, table), more) };
  },
};

const unknown = (_, { type }) => ({ element: html("span", { class: "num" }, `A later version plotted a ${type} here.`) });

function cellText(cell) {
  return cell == null ? "" : typeof cell === "number" ? number(cell) : String(cell);
}
