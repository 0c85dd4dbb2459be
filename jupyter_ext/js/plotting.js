// The plots of a run: a chart for each group of tracks, and a picture with a slider for each track of pictures.
// A bundle of its own, with uPlot in it.

import uplotCss from "uplot/dist/uPlot.min.css";

import { createChart } from "./chart.js";
import { html } from "./dom.js";
import { createFrames } from "./frames.js";
import css from "./plotting.css";
import { charts, column } from "./series.js";

export function createPlots({ store, element }) {
  element.before(html("style", {}, uplotCss, css));
  const drawn = new Map(); // "l" or "f" and a name -> plot

  function part(key, make) {
    if (!drawn.has(key)) {
      drawn.set(key, make());
      element.append(drawn.get(key).element);
    }
    return drawn.get(key);
  }

  function draw() {
    if (!element.offsetParent) return; // another tab is on show
    const lines = charts(store.state.tracks);
    const frames = Object.entries(store.state.frames).filter(([, list]) => list.length);
    const keys = new Set([...lines.map(({ name }) => `l${name}`), ...frames.map(([name]) => `f${name}`)]);
    for (const [key, plot] of drawn) {
      if (keys.has(key)) continue;
      plot.stop();
      plot.element.remove();
      drawn.delete(key);
    }
    for (const { name, lines: those } of lines) part(`l${name}`, () => createChart({ name, detail: (low, high) => zoomed(name, low, high) })).draw(those);
    for (const [name, list] of frames) part(`f${name}`, () => createFrames({ name, store })).draw(list);
  }

  // Asks for all points of a range, where the view has not all of them.
  function zoomed(name, low, high) {
    const tracks = charts(store.state.tracks).find((chart) => chart.name === name)?.lines ?? [];
    const thinned = tracks.filter((line) => line.xs.length < line.to).map((line) => line.track);
    if (thinned.length) store.send({ kind: "range", chart: name, tracks: thinned, low, high });
  }

  const themes = new MutationObserver(() => drawn.forEach((plot) => plot.themed()));
  themes.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name"] });

  return {
    draw,
    frame: (message, buffers) => drawn.get(`f${message.track}`)?.came(message, buffers),
    range({ chart, low, high, tracks }) {
      const lines = Object.entries(tracks).map(([track, [count, xs, ys]]) => [track, { xs: column(xs, count), ys: column(ys, count) }]);
      drawn.get(`l${chart}`)?.detailed(low, high, Object.fromEntries(lines));
    },
    stop() {
      themes.disconnect();
      drawn.forEach((plot) => plot.stop());
    },
  };
}
