// What the run saved: pictures open in place, everything else is downloaded.

import { bytes, download, html } from "./dom.js";

export function createArtifacts({ store, pictures, open }) {
  const element = html("div", { class: "artifacts" });

  function row(saved) {
    const place = html("div", { class: "shown" });
    const name = html("button", { class: "link", type: "button" }, saved.name || saved.uri);
    name.addEventListener("click", () => {
      if (place.firstChild) return place.replaceChildren();
      if (saved.mime.startsWith("image/")) return pictures.show(place, saved.sha256, saved.name);
      return pictures.get(saved.sha256, (url, why) => (url ? download(url, saved.name) : place.replaceChildren(html("span", { class: "bad" }, why))));
    });
    const by = html("button", { class: "link by", type: "button" }, saved.by);
    by.addEventListener("click", () => open(saved.no));
    return html("div", { class: "saved" }, name, html("span", { class: "num" }, [saved.kind, bytes(saved.size)].filter(Boolean).join(" · ")),
      saved.by ? by : null, place);
  }

  return {
    element,
    draw(patch) {
      if (!patch.artifacts) return;
      const { artifacts } = store.state;
      element.replaceChildren(...(artifacts.length ? artifacts.map(row) : [html("p", { class: "num" }, "Nothing saved yet.")]));
    },
  };
}
