// Figures and files of a run: asked for once, by content, and kept as long as the view lives.

import { html } from "./dom.js";

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
    store.send({ kind: "bytes", digest });
    return undefined;
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
    close: () => urls.forEach((url) => URL.revokeObjectURL(url)),
  };
}
