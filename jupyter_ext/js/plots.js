// The tab of plots. What draws them, and uPlot in it, is larger than all else in the view, and most runs plot nothing:
// the kernel sends it when there is something to draw, once for a page, and the views of the page share it.

import { html, set } from "./dom.js";
import { charts } from "./series.js";
import { GONE } from "./store.js";

const SHARED = Symbol.for("aethergraph.plotting");

export function createPlots({ store }) {
  const note = html("p", { class: "num" });
  const area = html("div", { class: "plots" });
  const element = html("div", { class: "plotted" }, note, area);
  let asked = false;
  let inner = null;

  const count = () => charts(store.state.tracks).length + Object.values(store.state.frames).filter((list) => list.length).length;

  // As soon as there is something: later the kernel may be busy, or gone.
  function prepare() {
    if (!inner && globalThis[SHARED]) inner = globalThis[SHARED]({ store, element: area });
    if (!inner && count() && !asked) asked = store.send({ kind: "plotting" });
  }

  function draw() {
    prepare();
    set(note, "text", inner ? "" : !count() ? "No points yet." : asked ? "The kernel has not sent yet what draws the plots." : GONE);
    note.hidden = Boolean(inner);
    inner?.draw();
  }

  return {
    element,
    draw,
    prepare,
    count,
    async plotting(_, [text]) {
      globalThis[SHARED] ??= await loaded(text);
      draw();
    },
    frame: (...message) => inner?.frame(...message),
    range: (message) => inner?.range(message),
    stop: () => inner?.stop(),
  };
}

// `text`: the module as the kernel sent it.
async function loaded(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return (await import(url)).createPlots;
  } finally {
    URL.revokeObjectURL(url);
  }
}
