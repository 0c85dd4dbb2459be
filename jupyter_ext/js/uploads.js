// Files for a question: chosen or dropped, sent in pieces, gone on with where they stopped. The kernel says how much is
// there; what is sent is the piece that follows. So after any silence it is enough to ask again.

import { bytes, html, set } from "./dom.js";

export const PIECE = 1 << 20; // bytes; larger messages might be refused on their way to the kernel
const SILENCE = 4000; // ms without a word from the kernel, after which it is asked again
const LONGEST = 30_000;
const LATE = 3; // times asked in vain after which the person is told

// One file after the other; `changed` is called whenever an item is not as it was.
export function createSender(token, send, changed, { silence = SILENCE, later = setTimeout, cancel = clearTimeout, id = newId } = {}) {
  const items = [];
  let timer = 0;
  let asked = 0;

  const current = () => items.find((item) => item.state === "sending");
  const describe = (item) => ({ kind: "upload", token, id: item.id, name: item.name, size: item.size, modified: item.modified });

  function next() {
    if (current()) return;
    const item = items.find((one) => one.state === "waiting");
    if (!item) return;
    item.state = "sending";
    asked = 0;
    ask();
  }

  function ask() {
    const item = current();
    if (!item) return;
    asked += 1;
    item.late = asked > LATE;
    item.reading = false;
    send({ ...describe(item), offset: -1 });
    wait();
    changed(item);
  }

  function wait() {
    cancel(timer);
    timer = later(ask, Math.min(silence * 2 ** Math.max(0, asked - 1), LONGEST));
  }

  function end(item, state, more = {}) {
    cancel(timer);
    Object.assign(item, more, { state, late: false, file: null }); // a file that is there need not be held open
    changed(item);
    next();
  }

  async function came(message) {
    const item = items.find((one) => one.id === message.id);
    if (!item || item.state !== "sending" || item.reading) return;
    if (message.why) return end(item, "refused", { why: message.why });
    if (message.file) return end(item, "done", { have: item.size, described: message.file });
    asked = 0;
    Object.assign(item, { have: message.have, late: false, reading: true });
    changed(item);
    let piece;
    try {
      piece = await item.file.slice(item.have, item.have + PIECE).arrayBuffer();
    } catch {
      return end(item, "refused", { why: "it cannot be read any more: choose it again" });
    }
    if (item.state !== "sending" || !item.reading) return undefined;
    item.reading = false;
    send({ ...describe(item), offset: item.have }, [piece]);
    return wait();
  }

  return {
    items,
    came,
    add(file) {
      const same = (item) => item.name === file.name && item.size === file.size && item.modified === file.lastModified;
      if (items.some((item) => same(item) && item.state !== "refused")) return;
      items.push({ id: id(), file, name: file.name, size: file.size, modified: file.lastModified, have: 0, state: "waiting", why: "" });
      next();
    },
    // What was there before this page was loaded.
    restore(described) {
      items.push({ id: id(), file: null, name: described.name, size: described.size, modified: 0, have: described.size, state: "done", why: "", described });
    },
    remove(item) {
      const busy = item.state === "sending";
      item.state = "removed";
      items.splice(items.indexOf(item), 1);
      if (busy) cancel(timer);
      next();
    },
    stop() {
      cancel(timer);
      items.forEach((item) => (item.state = item.state === "sending" ? "removed" : item.state));
    },
  };
}

export function filesField(ask, store, changed) {
  const sender = createSender(ask.token, store.send, show);
  const rows = new Map(); // item -> row
  const picker = html("input", { type: "file", multiple: Boolean(ask.multiple), accept: ask.accept?.join(","), "aria-labelledby": `q-${ask.token}`, "aria-describedby": `l-${ask.token}` });
  const what = ask.multiple ? "Drop files here, or choose them" : "Drop a file here, or choose one";
  const limits = html("span", { class: "limits", id: `l-${ask.token}` }, ask.limits);
  const drop = html("label", { class: "drop" }, picker, html("span", { class: "choose" }, what), limits);
  const list = html("ul", { class: "uploads", "aria-label": "Files" });
  const text = html("input", { type: "text", class: "field", autocomplete: "off", "aria-label": "A line to go with it", placeholder: "a line to go with it, if you like" });
  const element = html("div", { class: "files" }, drop, list, text);

  function add(files) {
    const chosen = ask.multiple ? [...files] : [...files].slice(0, 1);
    if (!chosen.length) return;
    if (!ask.multiple) [...sender.items].forEach(remove);
    chosen.forEach((file) => sender.add(file));
    sender.items.forEach(show);
    changed();
  }

  picker.addEventListener("change", () => {
    add(picker.files);
    picker.value = ""; // so that the same file can be chosen again
  });
  let over = 0; // entering a child leaves its parent
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      event.stopPropagation(); // the notebook has other uses for what is dropped on it
      over = name === "dragenter" ? over + 1 : name === "dragleave" ? over - 1 : name === "drop" ? 0 : over;
      drop.classList.toggle("over", over > 0);
      if (name === "drop" && !picker.disabled) add(event.dataTransfer?.files ?? []);
    });
  }

  function remove(item) {
    const had = rows.get(item)?.element.contains(document.activeElement);
    rows.get(item)?.element.remove();
    rows.delete(item);
    sender.remove(item);
    if (had) picker.focus({ preventScroll: true });
    changed();
  }

  function show(item) {
    if (item.state === "removed") return;
    if (!rows.has(item)) {
      rows.set(item, createRow(item, () => remove(item)));
      list.append(rows.get(item).element);
    }
    rows.get(item).draw();
    if (item.state === "done") changed();
  }

  return {
    elements: [element],
    hint: "",
    value: () => ({ text: text.value, files: sender.items.filter((item) => item.state === "done").map((item) => item.described) }),
    check() {
      if (sender.items.some((item) => item.state === "waiting" || item.state === "sending")) return "not all files are there yet";
      if (sender.items.some((item) => item.state === "refused")) return "remove the files that were refused";
      return sender.items.length ? "" : "choose a file";
    },
    restore(draft) {
      text.value = draft.text ?? "";
      for (const file of draft.files ?? []) sender.restore(file);
      sender.items.forEach(show);
    },
    focus: () => picker.focus({ preventScroll: true }),
    uploaded: sender.came,
    stop: sender.stop,
  };
}

function createRow(item, remove) {
  const track = html("progress", { max: Math.max(item.size, 1), "aria-label": `${item.name}, sent` });
  const state = html("span", { class: "state", role: "status" });
  const button = html("button", { "aria-label": `Remove ${item.name}` }, "Remove");
  const element = html("li", {}, html("span", { class: "name" }, item.name), html("span", { class: "num" }, bytes(item.size)), track, state, button);
  button.onclick = remove;

  function draw() {
    set(track, "value", item.have);
    track.hidden = item.state === "done" || item.state === "refused";
    set(element, "class", item.state);
    set(state, "text", said(item));
  }
  return { element, draw };
}

function said(item) {
  if (item.state === "done") return "✓ uploaded";
  if (item.state === "refused") return item.why;
  if (item.late) return "nothing comes back: the kernel is busy or gone. It goes on as soon as it answers";
  if (item.state === "waiting") return "next";
  return `${item.size ? Math.floor((100 * item.have) / item.size) : 100} %`;
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
