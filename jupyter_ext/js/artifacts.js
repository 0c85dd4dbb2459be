// What the run saved: pictures, heads of tables and of texts in place; a click on the name downloads the file.

import { bytes, download, html, set } from "./dom.js";

const THUMB = 2e6; // bytes of a picture that is shown without being asked for

export function createArtifacts({ store, pictures, open }) {
  const element = html("div", { class: "artifacts" });
  const rows = new Map(); // what was told of an artifact -> its row: those that stay are not drawn again

  // A picture is sent for once its row has been seen: a hidden tab costs nothing.
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      target.fill();
    }
  });

  function row(saved) {
    const place = html("div", { class: "shown" }, preview(saved));
    const trouble = html("span", { class: "bad", role: "status" });
    const name = html("button", { class: "link", title: saved.uri }, saved.name || saved.uri);
    name.onclick = () => {
      if (isPicture(saved)) {
        place.classList.toggle("whole");
        return pictures.show(place, saved.sha256, saved.name);
      }
      return pictures.get(saved.sha256, (url, why) => {
        set(trouble, "text", why ?? "");
        if (url) download(url, saved.name);
      });
    };
    const by = html("button", { class: "link by" }, saved.by);
    by.onclick = () => open(saved.no);
    if (isPicture(saved) && saved.size <= THUMB) {
      place.fill = () => pictures.show(place, saved.sha256, saved.name);
      seen.observe(place);
    }
    return html("div", { class: "saved" }, name, html("span", { class: "num" }, facts(saved)), ...saved.tags.map((tag) => html("span", { class: "tag" }, tag)),
      saved.by ? by : null, trouble, place);
  }

  return {
    element,
    draw(patch) {
      if (!patch.artifacts) return;
      const { artifacts } = store.state;
      const old = new Map(rows);
      rows.clear();
      artifacts.forEach((saved, i) => {
        const told = `${i} ${JSON.stringify(saved)}`;
        rows.set(told, old.get(told) ?? row(saved));
      });
      element.replaceChildren(...(rows.size ? rows.values() : [html("p", { class: "num" }, "Nothing saved yet.")]));
    },
    close: () => seen.disconnect(),
  };
}

export function facts(saved) {
  return [saved.kind, bytes(saved.size), ...saved.metrics].filter(Boolean).join(" · ");
}

// The head of a table or of a text; null where there is none.
export function preview(saved) {
  if (saved.rows.length) {
    const [names, ...rest] = saved.rows;
    const side = (i) => (saved.numeric[i] ? "n" : null);
    const table = html("table", {}, html("thead", {}, html("tr", {}, ...names.map((cell, i) => html("th", { scope: "col", class: side(i) }, cell)))),
      html("tbody", {}, ...rest.map((cells) => html("tr", {}, ...cells.map((cell, i) => html("td", { class: side(i) }, cell))))));
    return html("div", {}, table, html("div", { class: "num" }, saved.more));
  }
  return saved.head ? html("pre", {}, saved.head) : null;
}

function isPicture(saved) {
  return saved.mime.startsWith("image/");
}
