// Small helpers that build nodes. Text from the server only ever becomes a text node.

/** `<tag>` with properties, attributes (`aria-…`, `data-…`, `role`, `lang`, `for`) and listeners (`onclick`), then children. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Replaces what is in `box`; a control in it that had the focus has it afterwards too. */
export function redraw(box, ...nodes) {
  const controls = () => [...box.querySelectorAll("button, a")];
  const place = controls().indexOf(box.getRootNode().activeElement);
  box.replaceChildren(...nodes);
  if (place >= 0) controls()[place]?.focus();
}

const SVG = "http://www.w3.org/2000/svg";

/** A decorative icon of one path on a 24-unit grid; the words beside it carry the meaning. */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of [["viewBox", "0 0 24 24"], ["aria-hidden", "true"], ["class", "icon"]]) {
    svg.setAttribute(name, value);
  }
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

export const ICONS = {
  phone: "M6.6 10.8a15 15 0 0 0 6.6 6.6l2.2-2.2a1 1 0 0 1 1-.25 11.4 11.4 0 0 0 3.6.58 1 1 0 0 1 1 1V20a1 1 0 0 1-1 1A17 17 0 0 1 3 4a1 1 0 0 1 1-1h3.5a1 1 0 0 1 1 1c0 1.25.2 2.45.57 3.57a1 1 0 0 1-.24 1z",
  cross: "M9 3h6v6h6v6h-6v6H9v-6H3V9h6z",
  tick: "M9.5 16.6 4.9 12l-1.8 1.8 6.4 6.4L21 8.7 19.2 6.9z",
  no: "M18.3 7.1 16.9 5.7 12 10.6 7.1 5.7 5.7 7.1 10.6 12 5.7 16.9 7.1 18.3 12 13.4 16.9 18.3 18.3 16.9 13.4 12z",
};

/** The address when it is a web address, else null: `javascript:` and the like never become links. */
export function webAddress(url) {
  try {
    const parsed = new URL(url);
    return parsed.protocol === "https:" || parsed.protocol === "http:" ? parsed.href : null;
  } catch {
    return null;
  }
}

/** The address when it is on this site, else null. */
export function ownAddress(url) {
  try {
    const parsed = new URL(url, document.baseURI);
    return parsed.origin === location.origin ? parsed.href : null;
  } catch {
    return null;
  }
}

/** A `tel:` address from a phone number written for people, or null when no digit is in it. */
export function phoneAddress(phone) {
  const dialled = String(phone ?? "").replace(/[^\d+*#]/g, "");
  return /\d/.test(dialled) ? `tel:${dialled}` : null;
}

/** How many characters a person would count; the server counts the same way. */
export function countCharacters(text) {
  return [...text].length;
}

/** An id that does not repeat. `crypto.randomUUID` is missing on plain-HTTP pages, so it is not used. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
