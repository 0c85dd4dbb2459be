// When each node ran, one bar a box, on the run's own clock.

import { html, set, span } from "./dom.js";
import { elapsed, WORDS } from "./store.js";
import { ticks } from "./series.js";

export function rows(state, now) {
  const end = Math.max(now, 0.001);
  return state.boxes
    .map(([key, label, , , , , , frame]) => {
      const [status, , , began, ended] = state.faces[key];
      const until = Math.max(ended ?? (status === "ready" || status === "skipped" ? began : now), began);
      return { key, label, status, frame, left: (began / end) * 100, width: ((until - began) / end) * 100, took: until - began, began };
    })
    .sort((a, b) => a.began - b.began || a.key - b.key);
}

export function createTimeline({ store, open }) {
  const scale = html("div", { class: "scale", "aria-hidden": "true" });
  const body = html("div", { class: "bars" });
  const element = html("div", { class: "timeline" }, scale, body);
  const drawn = new Map();

  function draw() {
    const now = elapsed(store);
    const wanted = rows(store.state, now);
    const keys = new Set(wanted.map((row) => row.key));
    for (const [key, row] of drawn) {
      if (keys.has(key)) continue;
      row.element.remove();
      drawn.delete(key);
    }
    let next = body.firstChild;
    for (const row of wanted) {
      if (!drawn.has(row.key)) drawn.set(row.key, create(row.key));
      const { element: there, draw: drawRow } = drawn.get(row.key);
      drawRow(row);
      if (there === next) next = next.nextSibling;
      else body.insertBefore(there, next); // only what is in another place is moved: moving takes the focus away
    }
    scale.replaceChildren(...ticks(0, now, 5).map((t) => {
      const mark = html("span", {}, t < 60 ? `${t} s` : span(t));
      mark.style.left = `${(t / Math.max(now, 0.001)) * 100}%`;
      return mark;
    }));
  }

  function create(key) {
    const label = html("span", { class: "what" });
    const bar = html("i");
    const took = html("span", { class: "num" });
    const row = html("button", { class: "row" }, label, html("span", { class: "lane" }, bar, took));
    row.onclick = () => open(key);
    return {
      element: row,
      draw(data) {
        set(row, "class", `row ${data.status}`);
        set(label, "text", data.label);
        set(took, "text", span(data.took));
        set(row, "aria-label", `${data.label}: ${WORDS[data.status]}, ${span(data.took)}`);
        bar.style.left = `${data.left}%`;
        bar.style.width = `max(3px, ${data.width}%)`;
        const right = data.left + data.width < 88;
        took.style.left = right ? `calc(${data.left}% + max(3px, ${data.width}%) + 6px)` : "auto";
        took.style.right = right ? "auto" : `calc(${100 - data.left}% + 6px)`;
      },
    };
  }

  return { element, draw };
}
