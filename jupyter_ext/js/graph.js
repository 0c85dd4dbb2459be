// Draws boxes and paths where Python placed them.

import { clock, html, set, svg } from "./dom.js";
import { age, WORDS } from "./store.js";

const NARROWEST = 0.7; // a graph is shrunk to fit, but not below this
const HIGHEST = 430; // pixels of the part of a graph that is seen at once
const NEAR = 4; // pixels that a scroll position may be off by, as browsers round them

export function createGraph({ store, open }) {
  const frames = svg("g");
  const lines = svg("g", { "aria-hidden": "true" });
  const nodes = svg("g");
  const picture = svg("svg", { class: "picture", role: "group" }, frames, lines, nodes);
  const pane = html("div", { class: "pane" }, picture);
  const fit = html("button", { class: "fit", hidden: true }, "Fit");
  const element = html("div", { class: "graph" }, pane, fit);
  const boxes = new Map(); // key -> parts
  const paths = new Map();
  let selected = 0;
  let fitted = false; // shrunk to the room there is, however small that makes it
  let led = [0, 0]; // where the view itself has scrolled to last
  let follows = true; // it goes along with what runs until somebody scrolls elsewhere

  function shape() {
    const { boxes: placed, paths: routes, size } = store.state;
    set(picture, "viewBox", `0 0 ${size[0]} ${size[1]}`);
    zoom();
    const seen = new Set(placed.map(([key, , , , , , , frame]) => `${key}${frame ? "f" : ""}`));
    for (const [name, box] of boxes) {
      if (seen.has(name)) continue;
      box.group.remove();
      boxes.delete(name);
    }
    const fresh = [document.createDocumentFragment(), document.createDocumentFragment()];
    for (const one of placed) place(one, fresh);
    nodes.append(fresh[0]);
    frames.append(fresh[1]);
    drawPaths(routes);
  }

  function zoom() {
    const [width, height] = store.state.size;
    const shrunk = Math.min(1, HIGHEST / Math.max(height, 1));
    picture.style.width = `${Math.round(width * (fitted ? shrunk : 1))}px`;
    picture.style.minWidth = fitted ? "0" : `${Math.round(width * (width < 1600 ? NARROWEST : 1))}px`;
    set(fit, "text", fitted ? "Full size" : "Fit");
    set(fit, "title", fitted ? "The graph at its own size" : "The whole graph at once");
  }

  function overflow() {
    const more = pane.scrollWidth > pane.clientWidth + 2 || pane.scrollHeight > pane.clientHeight + 2;
    fit.hidden = !fitted && !more;
  }

  function place([key, label, x, y, w, h, count, frame], fresh) {
    const name = `${key}${frame ? "f" : ""}`;
    let box = boxes.get(name);
    if (!box) {
      box = frame ? newFrame() : newBox();
      box.group.dataset.key = key;
      boxes.set(name, box);
      fresh[frame ? 1 : 0].append(box.group);
    }
    box.count = count;
    box.wide = w;
    set(box.label, "text", label);
    set(box.rect, "width", w);
    set(box.rect, "height", h);
    const where = `translate(${x}px,${y}px)`;
    if (box.group.style.transform !== where) box.group.style.transform = where;
    if (frame) set(box.sub, "x", Math.min(25 + box.label.textContent.length * 7.2 + 14, w - 40));
  }

  const newBox = () => common("box", { rx: 7 }, { y: 36 });

  // Most boxes of a large graph never have one.
  function newBar(box) {
    const line = { x: 10, y: 37.5, height: 3, rx: 1.5 };
    box.bar = svg("g", {}, svg("rect", { class: "rail", ...line }), svg("rect", { class: "fill", ...line }));
    box.group.append(box.bar);
  }

  const newFrame = () => common("frame", { rx: 9 }, { y: 19 });

  function common(kind, rect, sub) {
    const parts = {
      kind,
      rect: svg("rect", { class: "ground", ...rect }),
      shape: svg("path", { class: "shape" }),
      label: svg("text", { x: 25, y: 19 }),
      sub: svg("text", { class: "sub", x: 10, ...sub }),
    };
    // The icon turns inside a group of its own: a rotation on the element that is also moved would make it orbit.
    const place = svg("g", { transform: kind === "frame" ? "translate(10,9)" : "translate(10,10)" }, parts.shape);
    parts.group = svg("g", { class: `node ${kind}`, tabindex: 0, role: "button" }, parts.rect, place, parts.label, parts.sub);
    return parts;
  }

  function drawPaths(routes) {
    const seen = new Set();
    const fresh = document.createDocumentFragment();
    for (const [a, b, data, soft] of routes) {
      const name = `${a}>${b}`;
      seen.add(name);
      let line = paths.get(name);
      if (!line) {
        line = svg("path");
        paths.set(name, line);
        fresh.append(line);
      }
      set(line, "d", data);
      set(line, "class", soft ? "edge soft" : "edge");
    }
    lines.append(fresh);
    for (const [name, line] of paths) {
      if (seen.has(name)) continue;
      line.remove();
      paths.delete(name);
    }
  }

  function faces(keys) {
    for (const key of keys) {
      const face = store.state.faces[key];
      const box = boxes.get(`${key}`) ?? boxes.get(`${key}f`);
      if (face && box) dress(box, Number(key), face);
    }
  }

  function dress(box, key, [status, sub, fraction, , , , label]) {
    if (label) set(box.label, "text", label); // it counts the nodes of the box
    set(box.group, "class", `node ${box.kind} ${status}${key === selected ? " selected" : ""}`);
    set(box.shape, "d", store.state.icons[status] ?? "");
    const ask = status === "waiting" && box.count < 2 ? store.state.asks.find((one) => one.no === key) : undefined;
    set(box.sub, "text", ask ? opened(ask) : sub);
    // What ticks is not told: it would be read out again and again.
    set(box.group, "aria-label", `${box.label.textContent}: ${WORDS[status]}${sub && !ask ? `, ${sub}` : ""}`);
    const shown = fraction != null && box.kind !== "frame";
    if (!shown && !box.bar) return;
    if (!box.bar) newBar(box);
    set(box.bar, "visibility", shown ? null : "hidden");
    set(box.sub, "y", shown ? 33 : 36);
    if (!shown) return;
    set(box.bar.firstChild, "width", box.wide - 20);
    set(box.bar.lastChild, "width", Math.round((box.wide - 20) * fraction));
  }

  const opened = (ask) => `open for ${clock(age(store, ask))}`;

  function tick() {
    for (const ask of store.state.asks) {
      const box = boxes.get(`${ask.no}`);
      if (box?.count < 2 && store.state.faces[ask.no]?.[0] === "waiting") set(box.sub, "text", opened(ask));
    }
  }

  function select(key) {
    const old = selected;
    selected = key;
    faces([old, key]);
  }

  // A big graph opens where something happens, not on an empty corner, and goes along with it.
  function reveal() {
    overflow();
    if (!follows || fitted) return;
    const { boxes: placed, faces: looks } = store.state;
    const inner = placed.filter(([, , , , , , , frame]) => !frame);
    const hot = (word) => inner.filter(([key]) => looks[key]?.[0] === word).at(-1);
    const at = hot("waiting") ?? hot("running") ?? inner.at(-1);
    if (!at) return;
    const scale = picture.clientWidth / Math.max(store.state.size[0], 1);
    const [, , x, y, w, h] = at.map((value) => (typeof value === "number" ? value * scale : value));
    if (x + w > pane.scrollLeft + pane.clientWidth || x < pane.scrollLeft) pane.scrollLeft = x + w - pane.clientWidth + 40;
    if (y + h > pane.scrollTop + pane.clientHeight || y < pane.scrollTop) pane.scrollTop = y - pane.clientHeight / 2;
    led = [pane.scrollLeft, pane.scrollTop];
  }

  // Scrolling away ends the following; back to where it was led, it goes on.
  pane.addEventListener("scroll", () => {
    follows = Math.abs(pane.scrollLeft - led[0]) <= NEAR && Math.abs(pane.scrollTop - led[1]) <= NEAR;
  });
  fit.onclick = () => {
    fitted = !fitted;
    follows = true;
    zoom();
    reveal();
  };

  // Measuring makes the browser lay the page out: once a frame, after all that is drawn in it.
  let settling = 0;
  function keepUp() {
    settling ||= requestAnimationFrame(() => {
      settling = 0;
      if (store.state.head.ticking && !element.hidden && !selected) reveal();
      else overflow();
    });
  }

  const resized = new ResizeObserver(keepUp);
  resized.observe(pane);

  const keyOf = (event) => Number(event.target.closest?.(".node")?.dataset.key ?? 0);
  picture.onclick = (event) => {
    const key = keyOf(event);
    if (key) open(key);
  };
  picture.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    const key = keyOf(event);
    if (!key) return;
    event.preventDefault();
    open(key);
  });

  return {
    element,
    select,
    reveal,
    tick,
    stop() {
      resized.disconnect();
      cancelAnimationFrame(settling);
    },
    label: (key) => (boxes.get(`${key}`) ?? boxes.get(`${key}f`))?.label.textContent ?? "",
    focus: (key) => (boxes.get(`${key}`) ?? boxes.get(`${key}f`))?.group.focus(),
    draw(patch) {
      if (patch.boxes) {
        shape();
        set(picture, "aria-label", `Graph of run ${store.state.head.name}: ${store.state.head.total} nodes`);
      }
      if (patch.faces) faces(Object.keys(patch.faces));
      if (patch.faces) keepUp();
      element.classList.toggle("empty", !store.state.boxes.length);
    },
  };
}
