// What is known of one node, or of the nodes of one box. Short texts are there at once; the rest is asked for.

import { facts, preview } from "./artifacts.js";
import { html, icon, set, span } from "./dom.js";
import { GONE, WORDS } from "./store.js";

const PATIENCE = 1500; // ms until a kernel that says nothing is called busy

export function createPanel({ store, pictures, label, closed, open, widen }) {
  const element = html("aside", { class: "side", "aria-label": "Details", tabindex: -1 });
  let shown = null; // { key, no, detail, section }
  let timer = 0;

  function show(key, no = 0) {
    shown = { key, no, detail: null, section: "", asked: performance.now() };
    widen(false);
    ask();
    draw();
  }

  function ask() {
    clearTimeout(timer);
    const about = shown;
    timer = setTimeout(() => {
      if (shown === about && !shown.detail) {
        shown.late = true;
        draw();
      }
    }, PATIENCE);
    if (!store.send({ kind: "detail", key: shown.key, no: shown.no })) shown.late = true;
  }

  function detail(message) {
    if (!shown || message.key !== shown.key || message.asked !== shown.no) return;
    clearTimeout(timer);
    element.dataset.ms = Math.round(performance.now() - shown.asked);
    shown.detail = message;
    draw();
  }

  function hide() {
    if (!shown) return;
    const { key } = shown;
    shown = null;
    widen(false);
    clearTimeout(timer);
    element.replaceChildren();
    closed(key);
  }

  function draw() {
    const { key, detail: known } = shown;
    const face = store.state.faces[key];
    const box = store.state.boxes.find((one) => one[0] === key);
    if (!face && !known) return hide();
    const many = box && box[6] > 1 && !shown.no;
    const parts = many ? manyParts(face, known) : oneParts(face, known);
    const title = html("h4", {}, known?.label || label(key));
    const shut = html("button", { class: "shut", "aria-label": "Close details", title: "Close (Esc)" }, "×");
    shut.onclick = hide;
    const back = shown.no && box?.[6] > 1 ? html("button", { class: "link" }, `‹ ${label(key)}`) : null;
    back?.addEventListener("click", () => show(key));
    const late = shown.late && !known ? html("p", { class: "num" }, `The kernel is ${store.gone() ? "" : "busy or "}gone: this is what the view knows.`) : null;
    element.replaceChildren(...[shut, back, title, ...parts, late].filter(Boolean));
    return undefined;
  }

  function manyParts(face, known) {
    const grid = html("div", { class: "members" });
    for (const [no, name, status] of known?.members ?? []) {
      const one = html("button", { class: status, title: `${name}: ${WORDS[status]}`, "aria-label": `${name}: ${WORDS[status]}` }, icon(store.state.icons, status));
      one.onclick = () => show(shown.key, no);
      grid.append(one);
    }
    const more = known?.more ? html("p", { class: "num" }, `and ${known.more} more`) : null;
    return [html("p", { class: "num" }, face?.[5] ?? ""), grid, more];
  }

  function oneParts(face, known) {
    const status = known?.status ?? face[0];
    const [began, ended] = known ? [known.began, known.ended] : [face[3], face[4]];
    const [inputs, outputs, tried] = known ? [known.inputs, known.outputs, known.tried] : ((!shown.no && face[5]) || [[], [], ""]);
    const words = [WORDS[status] + (ended != null && status !== "reused" ? ` in ${span(ended - began)}` : ""), tried,
      known?.execution > 1 ? `run ${known.execution} of it` : ""];
    const list = html("dl");
    const rows = (name, values) => values.forEach(([what, text], i) => list.append(html("dt", {}, i ? "" : name), html("dd", { title: text }, what ? `${what} = ${text}` : text)));
    rows("inputs", inputs);
    rows("outputs", outputs);
    if (known) {
      rows("why", [known.why, known.volatile].filter(Boolean).map((text) => ["", text]));
      rows("failed", known.failures.map((text) => ["", text]));
      rows("error", known.error ? [["", known.error]] : []);
      rows("log", known.lastly ? [["", known.lastly]] : []);
      saved(list, known.artifacts);
    }
    return [html("p", { class: `num state ${status}` }, icon(store.state.icons, status), words.filter(Boolean).join(" · ")), list, ...sections(known)];
  }

  function saved(list, artifacts) {
    artifacts.forEach((one, i) => {
      const place = html("div", { class: "shown" }, preview(one));
      if (one.mime.startsWith("image/")) pictures.show(place, one.sha256, one.name);
      list.append(html("dt", {}, i ? "" : "saved"), html("dd", {}, `${one.name} ${facts(one)}`, place));
    });
  }

  function sections(known) {
    if (!known) return [];
    const texts = { Code: known.code, Traceback: known.traceback, Log: known.log };
    const names = Object.keys(texts).filter((name) => texts[name]);
    const figures = html("div", { class: "shown" }, ...known.figures.map((digest) => {
      const place = html("div");
      pictures.show(place, digest, "figure");
      return place;
    }), ...known.shows.map((show) => (show.png ? html("img", { src: `data:image/png;base64,${show.png}`, alt: "picture" }) : html("pre", {}, show.text))));
    if (known.inner) {
      const go = html("button", { class: "link" }, "");
      set(go, "text", known.inner);
      figures.prepend(go);
      go.onclick = () => open(known.no);
    }
    const text = html("pre", { tabindex: 0 });
    const row = html("div", { class: "buttons" });
    const choose = (name) => {
      shown.section = shown.section === name ? "" : name;
      for (const button of row.querySelectorAll("[aria-pressed]")) set(button, "aria-pressed", String(button.textContent === shown.section));
      set(text, "text", texts[shown.section] ?? "");
      text.hidden = !shown.section;
      widen(Boolean(shown.section));
    };
    for (const name of names) {
      const button = html("button", { "aria-pressed": "false" }, name);
      button.onclick = () => choose(name);
      row.append(button);
    }
    row.append(forker(known.no));
    const wanted = shown.section;
    shown.section = "";
    if (names.includes(wanted)) choose(wanted);
    else text.hidden = true;
    const said = html("p", { class: shown.bad ? "said bad" : "said num", role: "status" }, shown.said ?? "");
    return [row, said, text, figures];
  }

  function forker(no) {
    const title = "A new run that shares what this one has done up to here, and does this node again";
    const button = html("button", { title }, "Fork here");
    button.onclick = () => {
      button.disabled = true;
      shown.forks = store.send({ kind: "fork", no });
      told({ about: "fork", said: shown.forks ? "forking…" : GONE, bad: !shown.forks });
    };
    return button;
  }

  // What became of a fork that was asked for here.
  function told(message) {
    if (!shown || shown.forks == null || message.about !== "fork") return;
    Object.assign(shown, { said: message.said, bad: message.bad });
    if (shown.detail) draw();
  }

  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });

  return {
    element,
    show,
    detail,
    told,
    hide,
    key: () => shown?.key ?? 0,
    // A node that changed is asked for again; what is open and selected in the panel stays until the reply is here.
    draw(patch) {
      if (shown && patch.faces && shown.key in patch.faces) ask();
    },
    stop: () => clearTimeout(timer),
  };
}
