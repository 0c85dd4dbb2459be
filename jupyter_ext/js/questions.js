// Open questions as forms. A form that is open is never touched again, so focus, caret and IME stay.

import { html, set } from "./dom.js";
import { drafts } from "./drafts.js";
import { formField } from "./forms.js";
import { GONE } from "./store.js";
import { filesField } from "./uploads.js";

const LONG = 280; // characters of a prompt that is read like a text, not like a title
const MANY = 12; // options from which on they are searched
const BELOW = "asked in the input line below the cell";
const CROWD = 3; // questions from which on their number is told

export function createQuestions({ store, root }) {
  drafts.prune();
  const count = html("p", { class: "num", hidden: true });
  const list = html("div", { class: "asklist", "aria-live": "polite" });
  const element = html("div", { class: "asks" }, count, list);
  const forms = new Map(); // token -> form

  function draw() {
    const { asks } = store.state;
    const open = new Set(asks.map((ask) => ask.token));
    for (const [token, form] of forms) {
      if (open.has(token)) continue;
      const had = form.element.contains(document.activeElement);
      form.stop();
      form.element.remove();
      forms.delete(token);
      drafts.set(token, null);
      if (had && !focusFirst()) root.focus({ preventScroll: true }); // the notebook would take it, and the next question miss it
    }
    element.hidden = !asks.length; // before a form is focused: what is hidden cannot be
    for (const ask of asks) {
      const known = forms.get(ask.token);
      if (known) {
        known.update(ask);
        continue;
      }
      const form = createForm(ask, store);
      forms.set(ask.token, form);
      list.append(form.element);
      if (mayFocus(root)) form.focus();
    }
    count.hidden = asks.length < CROWD;
    set(count, "text", `${asks.length} questions are open; they can be answered in any order`);
  }

  function focusFirst() {
    const first = forms.values().next().value;
    first?.focus();
    return Boolean(first);
  }

  const deaf = store.outbox.listen((token, state, why) => forms.get(token)?.told(state, why));
  function stop() {
    deaf();
    forms.forEach((form) => form.stop());
  }
  const uploaded = (message) => forms.get(message.token)?.uploaded(message);
  return { element, draw, stop, uploaded, focus: focusFirst, pulsed: () => forms.forEach((form) => form.pulsed()) };
}

// Nobody's typing elsewhere is interrupted: only a focus that is nowhere, or here but in no field, may move.
function mayFocus(root) {
  const active = document.activeElement;
  if (!active || active === document.body) return true;
  return root.contains(active) && !active.closest("form");
}

export function createForm(ask, store) {
  const message = html("span", { class: "message", role: "status" });
  const field = (FIELDS[ask.kind] ?? FIELDS.text)(ask, store, () => changed());
  const go = ask.kind === "approval" ? null : html("button", { class: "go", type: "submit" }, "Send");
  const row = html("div", { class: "row" }, ...field.elements, go, message);
  const legend = html("p", { id: `q-${ask.token}`, class: ask.prompt.length > LONG ? "prompt long" : "prompt", tabindex: ask.prompt.length > LONG ? 0 : null }, ask.prompt);
  const element = html("form", { class: "ask", "aria-labelledby": `q-${ask.token}`, novalidate: true }, legend, row);
  const buttons = () => element.querySelectorAll("button");
  let round = ask.round;
  let off = false; // the kernel is gone
  let below = false; // asked in the input line below the cell: an answer from here cannot arrive
  const { head } = store.state;
  const lost = [GONE, ask.silent ? "" : "What is typed here is kept.", head.session ? "" : `To answer, run %aether resume ${head.id}`].filter(Boolean).join(" ");
  const rest = () => say(off ? lost : field.hint, off);

  function say(text, bad = false) {
    set(message, "text", text);
    message.classList.toggle("bad", bad);
  }

  // A form says at each field what is wrong with it; the rest is said here.
  function blame(why) {
    say(field.blame ? field.blame(why) : why, true);
  }

  function submit(value) {
    const why = field.check?.(value) ?? "";
    if (why) {
      say(why, true);
      return;
    }
    field.blame?.("");
    store.outbox.send(ask.token, value);
  }

  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(field.value());
  });
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-choice]");
    if (button) submit(ask.options[Number(button.dataset.choice)]);
  });
  element.addEventListener("keydown", (event) => {
    // Enter that ends an IME composition picks a word; it does not send.
    if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.preventDefault();
  });
  element.addEventListener("input", () => changed());

  function changed() {
    if (!ask.silent) drafts.set(ask.token, field.value());
    rest();
  }

  const draft = drafts.get(ask.token);
  if (draft != null) field.restore(draft);

  function askBelow(on) {
    if (below === on) return;
    below = on;
    for (const control of element.querySelectorAll("button, input, select, textarea")) control.disabled = on;
    element.classList.toggle("below", on);
    settle();
  }

  // As it is when nothing has just happened to it. What is typed is never touched.
  function settle() {
    off = store.gone();
    if (below) return say(BELOW);
    for (const button of buttons()) button.disabled = off;
    const under = store.outbox.state(ask.token); // a second view of the run: an answer may be on its way already
    return under && !off ? form.told(under) : rest();
  }

  const form = {
    element,
    focus: () => field.focus(),
    stop: () => field.stop?.(),
    uploaded: (message) => field.uploaded?.(message),
    pulsed: () => store.gone() !== off && settle(),
    update(next) {
      askBelow(next.below);
      if (next.round === round) return;
      round = next.round;
      blame(next.refused);
    },
    told(state, why) {
      if (below || off) return;
      for (const button of buttons()) button.disabled = state === "sending";
      element.classList.toggle("sent", state === "saved");
      if (state === "sending") say("sending…");
      else if (state === "refused") blame(why);
      else if (state === "late") say(`Nothing has come back yet: the kernel is busy or gone. The answer is kept and sent on; if the kernel is gone, run %aether resume ${store.state.head.id}`, true);
      else if (state === "closed") say(`This view is closed and could not send it. Run %aether show ${store.state.head.id}`, true);
      else say(store.state.head.ticking ? "thank you" : `Saved. Go on with %aether resume ${store.state.head.id}`);
    },
  };
  settle();
  if (ask.refused && !off && !store.outbox.state(ask.token)) blame(ask.refused);
  askBelow(Boolean(ask.below));
  return form;
}

const FIELDS = {
  files: filesField,
  form: formField,

  text(ask) {
    const input = html("input", {
      type: ask.silent ? "password" : "text", class: "field", autocomplete: "off", spellcheck: "false",
      "aria-labelledby": `q-${ask.token}`, placeholder: ask.has_default && ask.default != null ? String(ask.default) : "your answer",
    });
    return {
      elements: [input],
      hint: "or press Enter",
      value: () => (input.value === "" && ask.has_default && ask.default != null ? String(ask.default) : input.value),
      restore: (value) => (input.value = value),
      focus: () => input.focus({ preventScroll: true }),
    };
  },

  number(ask) {
    const input = html("input", {
      type: "number", class: "field number", "aria-labelledby": `q-${ask.token}`, min: ask.min, max: ask.max, step: ask.step ?? "any",
      value: ask.has_default ? ask.default : null,
    });
    const bounds = [ask.min != null ? `from ${ask.min}` : "", ask.max != null ? `to ${ask.max}` : "", ask.step ? `in steps of ${ask.step}` : ""];
    return {
      elements: [input],
      hint: bounds.filter(Boolean).join(" ") || "or press Enter",
      value: () => (input.value === "" ? null : Number(input.value)),
      check: (value) => (value == null || Number.isNaN(value) ? "a number is needed" : ""),
      restore: (value) => (input.value = value),
      focus: () => input.focus({ preventScroll: true }),
    };
  },

  choice(ask) {
    const kind = ask.multiple ? "checkbox" : "radio";
    const shown = ask.shown ?? ask.options;
    const preset = ask.has_default ? [ask.default].flat() : [];
    const inputs = ask.options.map((option) => html("input", { type: kind, name: `c-${ask.token}`, checked: preset.includes(option) }));
    const labels = inputs.map((input, i) => html("label", {}, input, html("span", {}, shown[i])));
    const chosen = () => ask.options.filter((_, i) => inputs[i].checked);
    const many = ask.options.length > MANY;
    const choices = html("div", { class: many ? "choices many" : "choices", role: ask.multiple ? "group" : "radiogroup", "aria-labelledby": `q-${ask.token}` }, ...labels);
    return {
      elements: [...(many ? [search(shown, inputs, labels)] : []), choices],
      hint: ask.multiple ? "any number of them" : "or press Enter",
      value: () => (ask.multiple ? chosen() : (chosen()[0] ?? null)),
      check: (value) => (value == null ? "choose one" : ""),
      restore: (value) => inputs.forEach((input, i) => (input.checked = [value].flat().includes(ask.options[i]))),
      focus: () => (inputs.find((input) => input.checked) ?? inputs[0])?.focus({ preventScroll: true }),
    };
  },

  approval(ask) {
    const buttons = ask.options.map((_, i) =>
      html("button", { class: i ? "" : "go", "data-choice": i }, (ask.shown ?? ask.options)[i]));
    return { elements: buttons, hint: "", value: () => null, check: (value) => (value == null ? "press one of the buttons" : ""), restore() {}, focus: () => buttons[0]?.focus({ preventScroll: true }) };
  },
};

// A field that narrows a long list of options to those that hold what is typed; what is chosen stays in sight.
function search(shown, inputs, labels) {
  const field = html("input", { type: "search", class: "field", autocomplete: "off", spellcheck: "false",
    "aria-label": `Search ${shown.length} options`, placeholder: `search ${shown.length} options` });
  const fits = () => shown.map((text, i) => inputs[i].checked || text.toLowerCase().includes(field.value.trim().toLowerCase()));
  field.addEventListener("input", (event) => {
    event.stopPropagation(); // it is no part of the answer
    fits().forEach((fit, i) => (labels[i].hidden = !fit));
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
    const found = inputs.filter((_, i) => !labels[i].hidden);
    if (inputs.some((input) => input.checked)) return; // sends
    event.preventDefault();
    found[0]?.focus();
    if (found.length === 1) found[0].click();
  });
  return field;
}
