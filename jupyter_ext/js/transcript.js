// What was said, in order; new lines keep the end in view unless somebody has scrolled up.

import { clock, html, set } from "./dom.js";
import { createMessage } from "./messages.js";

const HIGH = 12; // pixels from the end that still count as the end

export function createTranscript({ store, pictures }) {
  const element = html("div", { class: "talk", role: "log", "aria-label": "Transcript", tabindex: 0 });
  const lines = new Map(); // id -> parts
  let atEnd = true;
  let led = 0; // where it was scrolled to from here
  const toEnd = () => {
    element.scrollTop = element.scrollHeight;
    led = element.scrollTop;
  };
  element.addEventListener("scroll", () => {
    const { scrollHeight, scrollTop, clientHeight } = element;
    // Our own scroll is told a frame later: what has come below meanwhile does not mean that somebody left the end.
    atEnd = scrollHeight - scrollTop - clientHeight < HIGH || (atEnd && scrollTop === led);
  });
  element.addEventListener("load", () => atEnd && toEnd(), true); // a picture comes after its line

  function draw(whole) {
    const { talk } = store.state;
    const seen = new Set(talk.map(([id]) => id));
    for (const [id, line] of lines) {
      if (seen.has(id)) continue;
      line.element.remove();
      lines.delete(id);
    }
    for (const entry of talk) {
      const known = lines.get(entry[0]);
      if (known) known.update(entry);
      else {
        const line = createLine(entry, { store, pictures });
        lines.set(entry[0], line);
        element.append(line.element);
      }
    }
    element.hidden = !talk.length;
    if (atEnd || whole) toEnd();
  }

  const asked = () => lines.forEach((line) => line.asked());
  return {
    element,
    draw(patch) {
      if (patch.talk || patch.gone) draw(Boolean(patch.icons));
      if (patch.asks) asked();
    },
    asked,
  };
}

function createLine([, t, kind, , by, more, , about], { store, pictures }) {
  const text = html("span", { class: "text" });
  const answer = html("span", { class: "answer" });
  const who = by && (kind === "out" || kind === "err" || kind === "log" || kind === "show" || kind === "figure") ? html("span", { class: "by" }, by) : null;
  const message = about ? createMessage(kind, about, { store, pictures }) : null;
  const element = html("div", { class: `line t-${kind}` }, html("span", { class: "time" }, clock(t)), html("div", { class: "said" }, who, text, answer, message?.element));
  if (kind === "figure" && more) pictures.show(text, more, `figure of ${by || "the run"}`);
  if (kind === "show" && more) text.append(html("img", { alt: "picture", src: `data:image/png;base64,${more}` }));
  let shown = "";

  function update([, , , said, , reply, open]) {
    const key = `${said}\n${reply}\n${open}`;
    if (key === shown) return;
    shown = key;
    if (kind === "figure" || (kind === "show" && reply)) return;
    set(text, "text", said);
    if (kind === "ask") set(answer, "text", open ? "" : reply);
    element.classList.toggle("open", Boolean(open));
  }
  update([0, t, kind, ...arguments[0].slice(3)]);
  return { element, update, asked: () => message?.update?.() };
}
