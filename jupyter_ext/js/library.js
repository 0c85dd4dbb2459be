// uPlot, which draws the charts. It is as large as all else in the view together and most runs plot nothing, so the
// kernel sends it when there are lines to draw: once for a page, which its views share.

const SHARED = Symbol.for("aethergraph.uplot");

export function library() {
  return globalThis[SHARED] ?? null;
}

// `text`: the module as the kernel sent it.
export async function load(text) {
  if (library()) return;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    globalThis[SHARED] = (await import(url)).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}
