// What follows a complete answer: further questions, "was this helpful", print.

import { h } from "./dom.js";
import { say } from "./i18n.js";

// Where the server suggests nothing, a further question is offered for what the answer did not speak of.
const FOLLOW = [["follow_help", "get_help"], ["follow_self", "self_care"], ["follow_causes", "causes"], ["follow_prevention", "prevention"]];
const MOST = 3;

/** Buttons that ask on. `suggested` are the server's; `sections` are those that the answer has. */
export function followUps(suggested, sections, locale, level, onask) {
  const missing = FOLLOW.filter(([, part]) => !sections.some((section) => section.split(".")[0] === part));
  const texts = (suggested.length ? suggested : missing.map(([key]) => say(locale, key))).slice(0, MOST);
  if (!texts.length) return null;
  return h("section", { class: "follow" },
    h(`h${level}`, { class: "small-heading" }, say(locale, "follow_title")),
    h("div", { class: "suggestions" }, texts.map((text) =>
      h("button", { class: "suggestion", type: "button", onclick: () => onask(text) }, text))));
}

/** Thumbs. `onrate(rating, comment)` is called once. */
export function feedback(locale, name, onrate) {
  const thanks = () => {
    const said = h("p", { class: "thanks", role: "status", tabindex: "-1" }, say(locale, "helpful_thanks"));
    box.replaceChildren(said);
    said.focus(); // the button that had the focus is gone
  };
  const form = commentForm(locale, name, (comment) => { onrate("not_helpful", comment); thanks(); });
  const no = h("button", { class: "button button-plain", type: "button", "aria-expanded": "false", onclick: () => {
    form.hidden = false;
    no.setAttribute("aria-expanded", "true");
    form.querySelector("textarea").focus();
  } }, say(locale, "helpful_no"));
  const yes = h("button", { class: "button button-plain", type: "button",
    onclick: () => { onrate("helpful"); thanks(); } }, say(locale, "helpful_yes"));
  const box = h("div", { class: "feedback", role: "group", "aria-label": say(locale, "helpful_title") },
    h("p", {}, say(locale, "helpful_title")), h("div", { class: "row" }, yes, no), form);
  return box;
}

function commentForm(locale, name, onsend) {
  const field = h("textarea", { id: `comment-${name}`, rows: "2", maxlength: "1000" });
  const send = (event) => { event.preventDefault(); onsend(field.value.trim() || undefined); };
  return h("form", { class: "comment", hidden: true, onsubmit: send },
    h("label", { for: `comment-${name}` }, say(locale, "helpful_comment")), field,
    h("div", {}, h("button", { class: "button", type: "submit" }, say(locale, "helpful_send"))));
}
