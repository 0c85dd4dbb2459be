// What is more than a text: pictures, files, buttons, and trees of rich text, which Python made of what was sent.

import { bytes, download, html, outward, set } from "./dom.js";
import { GONE } from "./store.js";

export const INLINE = 8_000_000; // bytes of a picture that is shown without being asked for
const TAGS = new Set("blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul".split(" "));

// Elements of `[tag, attributes, children]`; what is no known tag is a span.
export function build(part) {
  if (typeof part === "string") return document.createTextNode(part);
  const [tag, attributes, children] = part;
  if (tag === "a") return outward(String(attributes.href), ...children.map(build));
  const start = tag === "ol" && Number.isInteger(attributes.start) ? attributes.start : null;
  return html(TAGS.has(tag) ? tag : "span", { class: attributes.class === "n" ? "n" : null, start }, ...children.map(build));
}

// The open question that a button answers: one that has it among its options, else the first that takes text.
export function taker(asks, { label, value }) {
  const open = asks.filter((ask) => !ask.below);
  for (const ask of open) {
    const option = ask.multiple ? undefined : (ask.options ?? []).find((one) => one === value || one === label);
    if (option !== undefined) return { token: ask.token, value: option };
  }
  const text = open.find((ask) => ask.kind === "text" && !ask.silent);
  return text ? { token: text.token, value } : null;
}

export function createMessage(kind, about, { store, pictures }) {
  if (kind === "image") return image(about, pictures);
  if (kind === "file") return file(about, pictures);
  if (kind === "buttons") return buttons(about, store);
  return { element: html("div", { class: "rich", tabindex: 0 }, ...about.tree.map(build)) };
}

function image(about, pictures) {
  const place = html("div", { class: "shown" });
  const name = [about.filename, about.size ? bytes(about.size) : ""].filter(Boolean).join(" \u00b7 ");
  // Of the web: nobody learns that it is looked at before it is asked for.
  const show = about.url
    ? () => place.replaceChildren(outward(about.url, html("img", { src: about.url, alt: about.alt, referrerpolicy: "no-referrer" })))
    : () => pictures.show(place, about.sha256, about.alt);
  if (about.url || about.size > INLINE) {
    const press = html("button", { class: "link" }, `show ${name}`);
    press.onclick = show;
    place.append(press, ...(about.url ? [html("span", { class: "num" }, ` ${about.url}`)] : []));
  } else show();
  return { element: place };
}

function file(about, pictures) {
  if (about.url) return { element: html("div", { class: "file" }, outward(about.url, about.filename || about.url)) };
  const why = html("span", { class: "bad" });
  const name = html("button", { class: "link", title: "Download" }, about.filename);
  name.onclick = () => pictures.get(about.sha256, (url, trouble) => (url ? download(url, about.filename) : set(why, "text", trouble)));
  return { element: html("div", { class: "file" }, name, html("span", { class: "num" }, bytes(about.size)), why) };
}

function buttons(about, store) {
  const drawn = about.buttons.map((one) => {
    if (one.url) return outward(one.url, one.label);
    const button = html("button", { class: { primary: "go", danger: "armed" }[one.style] ?? null }, one.label);
    button.onclick = () => {
      const found = taker(store.state.asks, one);
      if (found) store.outbox.send(found.token, found.value);
    };
    return button;
  });
  // A button that nothing waits for says so, instead of doing nothing.
  function update() {
    drawn.forEach((button, i) => {
      if (button.tagName !== "BUTTON") return;
      const gone = store.gone();
      button.disabled = gone || !taker(store.state.asks, about.buttons[i]);
      set(button, "title", gone ? GONE : button.disabled ? "No open question takes this" : null);
    });
  }
  update();
  return { element: html("div", { class: "buttons" }, ...drawn), update };
}
