// Figures and files of a run: asked for once, by content, and kept as long as the view lives.

import { html } from "./dom.js";
import { GONE } from "./store.js";

export function createPictures(store) {
  const urls = new Map(); // digest -> object URL
  const waiting = new Map(); // digest -> what to do when it comes

  function get(digest, then) {
    const url = urls.get(digest);
    if (url) return then(url);
    const known = waiting.get(digest);
    if (known) {
      known.push(then);
      return undefined;
    }
    waiting.set(digest, [then]);
    if (!store.send({ kind: "bytes", digest })) lose();
    return undefined;
  }

  // Nothing comes any more: whoever waits is told, and may ask again.
  function lose() {
    const told = [...waiting.values()].flat();
    waiting.clear();
    told.forEach((then) => then("", store.closed ? "This view is closed." : GONE));
  }

  return {
    get,
    show(place, digest, alt) {
      get(digest, (url, why) => place.replaceChildren(url ? html("img", { src: url, alt }) : html("span", { class: "bad" }, why)));
    },
    came({ digest, mime, why }, buffers) {
      const url = why ? "" : URL.createObjectURL(new Blob([buffers[0]], { type: mime }));
      if (url) urls.set(digest, url);
      for (const then of waiting.get(digest) ?? []) then(url, why);
      waiting.delete(digest);
    },
    pulsed: () => store.gone() && lose(),
    close: () => urls.forEach((url) => URL.revokeObjectURL(url)),
  };
}
