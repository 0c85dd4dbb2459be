// Elements are made here and text is only ever set as text: nothing from a run is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (tag === "button") element.type = tag; // in a form it would send
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.filter((child) => child != null));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.filter((child) => child != null));
  return element;
}

// Writes only what differs: a busy run must not make the browser lay out what stands still.
export function set(element, name, value) {
  if (name === "text") {
    if (element.textContent !== String(value)) element.textContent = value;
  } else if (value == null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

export function icon(icons, status) {
  return svg("svg", { class: "icon", viewBox: "-1 -1 12 12", "aria-hidden": "true" }, svg("path", { d: icons[status] ?? icons.pending ?? "" }));
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const rest = `${String(whole % 60).padStart(2, "0")}`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

export function span(seconds) {
  return seconds < 9.95 ? `${Math.max(seconds, 0).toFixed(1)} s` : seconds < 60 ? `${Math.round(seconds)} s` : clock(seconds);
}

// As `amount` in Python says it.
export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [size, 0];
  for (; value >= 1000 && unit < 4; unit += 1) value /= 1000;
  return `${unit ? (value % 1 === 0.25 ? value - 0.01 : value).toFixed(1) : value} ${units[unit]}`; // Python rounds halves to even
}

// The link is gone at once: opened in a tab of its own, a file could act as this page.
export function download(url, name) {
  const link = html("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

// Links of a run lead out of the notebook, and only to where a link may lead.
export function outward(href, ...children) {
  return /^(https?:\/\/|mailto:)/i.test(href) ? html("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children) : html("span", {}, ...children);
}
