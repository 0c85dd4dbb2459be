// A form of several fields, as a model describes them. What fits is decided in the kernel, which names the fields.

import { html, set } from "./dom.js";

const FEW = 4; // options of a choice that are all shown; more are a list to open

export function formField(ask) {
  const fields = ask.form.map((field) => createField(field, [], ask.token));
  const leaves = fields.flatMap((field) => field.leaves);
  const element = html("div", { class: "fields" }, ...fields.map((field) => field.element));

  return {
    elements: [element],
    hint: "",
    value: () => Object.assign({}, ...fields.map((field) => field.value())),
    restore: (draft) => fields.forEach((field) => field.restore(draft?.[field.name])),
    focus: () => leaves[0]?.focus(),
    // Says at each field what is wrong with it; returns what is about none of them.
    blame(why) {
      const found = split(why, leaves.map((leaf) => leaf.path));
      leaves.forEach((leaf) => leaf.blame(found.at[leaf.path] ?? ""));
      leaves.find((leaf) => found.at[leaf.path])?.focus();
      return found.rest || (Object.keys(found.at).length ? "see the fields marked above" : "");
    },
  };
}

// "a: too low; b.c: is needed; else" -> { at: { a: "too low", "b.c": "is needed" }, rest: "else" }. A reason may hold
// "; " itself: a part that begins with no field goes on with the one before it.
export function split(why, paths) {
  const at = {};
  const rest = [];
  let last = "";
  for (const part of why ? why.split("; ") : []) {
    const path = paths.filter((one) => part.startsWith(`${one}: `) || part.startsWith(`${one}.`)).sort((a, b) => b.length - a.length)[0];
    const text = path ? part.slice(part.indexOf(": ") + 2) : part;
    if (path) at[path] = at[path] ? `${at[path]}; ${text}` : text;
    else if (last) at[last] += `; ${text}`;
    else rest.push(text);
    last = path ?? last;
  }
  return { at, rest: rest.join("; ") };
}

function createField(field, above, token) {
  return field.kind === "form" ? createGroup(field, above, token) : createLeaf(field, above, token);
}

function createGroup(field, above, token) {
  const inner = field.fields.map((one) => createField(one, [...above, field.name], token));
  const help = field.help ? html("p", { class: "help" }, field.help) : null;
  const element = html("fieldset", {}, html("legend", {}, field.title || field.name), help, ...inner.map((one) => one.element));
  return {
    name: field.name,
    element,
    leaves: inner.flatMap((one) => one.leaves),
    value() {
      const value = Object.assign({}, ...inner.map((one) => one.value()));
      return Object.keys(value).length || field.needed !== false ? { [field.name]: value } : {};
    },
    restore: (draft) => inner.forEach((one) => one.restore(draft?.[one.name] ?? field.default?.[one.name])),
  };
}

function createLeaf(field, above, token) {
  const path = [...above, field.name].join(".");
  const id = `f-${token}-${path}`;
  const needed = field.needed ?? true;
  const control = (CONTROLS[field.kind] ?? CONTROLS.text)(field, id);
  const wrong = html("span", { class: "bad", id: `${id}-wrong`, role: "alert" });
  const help = html("span", { class: "help", id: `${id}-help` }, [field.help, bounds(field)].filter(Boolean).join(" · "));
  const mark = field.nullable || (!needed && !field.has_default) ? html("span", { class: "optional" }, "optional") : null;
  const named = { id: `${id}-label`, for: control.grouped ? null : id };
  const label = html(control.grouped ? "span" : "label", named, field.title || field.name);
  set(control.element, "aria-describedby", `${id}-help ${id}-wrong`);
  set(control.element, "aria-labelledby", `${id}-label`);
  const element = html("div", { class: "leaf" }, html("div", { class: "label" }, label, mark), html("div", { class: "control" }, control.element, help, wrong));
  if (field.has_default) control.put(field.default);

  const leaf = {
    name: field.name,
    path,
    element,
    // Left out is what is empty and may be: then its default counts.
    value() {
      const value = control.get();
      if (value !== null) return { [field.name]: value };
      return field.nullable ? { [field.name]: null } : {};
    },
    restore(draft) {
      if (draft !== undefined) control.put(draft);
    },
    focus: () => control.focus(),
    blame(why) {
      set(wrong, "text", why);
      set(control.element, "aria-invalid", why ? "true" : null);
      element.classList.toggle("wrong", Boolean(why));
    },
  };
  leaf.leaves = [leaf];
  return leaf;
}

function bounds(field) {
  const parts = [
    field.min != null && field.max != null ? `${field.min} to ${field.max}` : field.min != null ? `at least ${field.min}` : field.max != null ? `at most ${field.max}` : "",
    field.over != null ? `above ${field.over}` : "",
    field.under != null ? `below ${field.under}` : "",
    field.step ? `in steps of ${field.step}` : "",
    ["texts", "numbers"].includes(field.kind) ? "one on each line" : "",
  ];
  return parts.filter(Boolean).join(", ");
}

function input(type, id, read = (element) => element.value, more = {}) {
  const element = html("input", { type, id, class: "field", autocomplete: "off", spellcheck: "false", ...more });
  return {
    element,
    get: () => (element.value === "" && !element.validity.badInput ? null : read(element)),
    put: (value) => (element.value = value ?? ""),
    focus: () => element.focus({ preventScroll: true }),
  };
}

function lines(id, read) {
  const element = html("textarea", { id, class: "field", rows: 3, spellcheck: "false" });
  return {
    element,
    get() {
      const found = element.value.split("\n").map((line) => line.trim()).filter(Boolean);
      return found.length ? found.map(read) : null;
    },
    put: (value) => (element.value = (value ?? []).join("\n")),
    focus: () => element.focus({ preventScroll: true }),
  };
}

// What is no number goes as it was typed: the kernel says what is wrong with it.
const toNumber = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text));

const CONTROLS = {
  text(field, id) {
    const made = input("text", id, undefined, { maxlength: field.longest });
    // A text that has to be there may be empty, unless the model says how long it is.
    return { ...made, get: () => made.get() ?? ((field.needed ?? true) && !field.nullable ? "" : null) };
  },
  number: (field, id) =>
    input("number", id, (element) => (element.validity.badInput ? "that" : Number(element.value)), { class: "field number", min: field.min, max: field.max, step: field.whole ? 1 : "any" }),
  date: (_, id) => input("date", id),
  datetime: (_, id) => input("datetime-local", id, undefined, { step: 1 }),
  time: (_, id) => input("time", id, undefined, { step: 1 }),
  texts: (_, id) => lines(id, (text) => text),
  numbers: (_, id) => lines(id, toNumber),

  bool(field, id) {
    if (field.nullable) return chosen(["yes", "no"], [true, false], id, true);
    const element = html("input", { type: "checkbox", id });
    return { element, get: () => element.checked, put: (value) => (element.checked = Boolean(value)), focus: () => element.focus({ preventScroll: true }) };
  },

  choice(field, id) {
    const open = field.nullable || (field.needed === false && !field.has_default);
    return chosen(field.options.map(String), field.options, id, open);
  },

  choices(field, id) {
    const boxes = field.options.map(() => html("input", { type: "checkbox" }));
    const labels = boxes.map((box, i) => html("label", {}, box, html("span", {}, String(field.options[i]))));
    const element = html("div", { class: "choices", role: "group", id }, ...labels);
    return {
      element,
      grouped: true,
      get() {
        const found = field.options.filter((_, i) => boxes[i].checked);
        return found.length || (field.needed ?? true) ? found : null;
      },
      put: (value) => boxes.forEach((box, i) => (box.checked = (value ?? []).includes(field.options[i]))),
      focus: () => boxes[0]?.focus({ preventScroll: true }),
    };
  },
};

function chosen(names, values, id, open) {
  if (names.length <= FEW && !open) return radios(names, values, id);
  const element = html("select", { id, class: "field" }, html("option", { value: "" }, open ? "none" : "choose one"), ...names.map((name, i) => html("option", { value: i }, name)));
  return {
    element,
    get: () => (element.value === "" ? null : values[Number(element.value)]),
    put: (value) => (element.value = values.includes(value) ? values.indexOf(value) : ""),
    focus: () => element.focus({ preventScroll: true }),
  };
}

function radios(names, values, id) {
  const inputs = names.map(() => html("input", { type: "radio", name: id }));
  const element = html("div", { class: "choices", role: "radiogroup", id }, ...inputs.map((one, i) => html("label", {}, one, html("span", {}, names[i]))));
  return {
    element,
    grouped: true,
    get() {
      const at = inputs.findIndex((one) => one.checked);
      return at < 0 ? null : values[at];
    },
    put: (value) => inputs.forEach((one, i) => (one.checked = values[i] === value)),
    focus: () => (inputs.find((one) => one.checked) ?? inputs[0])?.focus({ preventScroll: true }),
  };
}
