// A question back to the person: tappable choices (native radios, so every keyboard and screen reader knows them), with
// "something else" in own words and a way to skip.

import { h } from "./dom.js";
import { say } from "./i18n.js";

const OTHER = "other";
export const SKIP = "skip";

/** The card. `onreply(value, words)` gets what to send and what to show as the person's answer. */
export function questionCard({ question_id: id, text, choices }, locale, onreply) {
  const options = (choices ?? []).filter((choice) => choice.value !== SKIP);
  const otherIsOffered = options.some((choice) => choice.value === OTHER);
  const all = options.length && !otherIsOffered ? [...options, { value: OTHER, label: say(locale, "question_other") }] : options;
  const own = ownWords(id, locale, all.length === 0);
  const problem = h("p", { class: "problem", role: "alert" });
  const form = h("form", { class: "question", novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    const answer = readAnswer(form, all, own.input);
    if (answer) onreply(answer.value, answer.words);
    else problem.textContent = say(locale, "question_missing");
  } },
  h("fieldset", { role: all.length > 0 && "radiogroup" },
    h("legend", {}, text),
    h("p", { class: "hint" }, say(locale, "question_hint")),
    h("div", { class: "choices" }, all.map((choice) => radio(id, choice))),
    own.node),
  problem,
  h("div", { class: "row" },
    h("button", { class: "button", type: "submit" }, say(locale, "question_continue")),
    h("button", { class: "button button-plain", type: "button",
      onclick: () => onreply(SKIP, say(locale, "question_skipped")) }, say(locale, "question_skip"))));
  form.addEventListener("change", () => {
    own.node.hidden = all.length > 0 && chosen(form) !== OTHER;
    problem.textContent = "";
  });
  return form;
}

function radio(id, { value, label }) {
  return h("label", { class: "choice" },
    h("input", { type: "radio", name: `q-${id}`, value }), h("span", {}, label));
}

function ownWords(id, locale, only) {
  const input = h("input", { type: "text", id: `own-${id}`, autocomplete: "off", maxlength: "400" });
  // Enter that ends a Chinese word must not send the answer.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.preventDefault();
  });
  const label = say(locale, only ? "question_answer_label" : "question_other_label");
  return { input, node: h("div", { class: "own", hidden: !only }, h("label", { for: `own-${id}` }, label), input) };
}

function chosen(form) {
  return form.querySelector("input[type=radio]:checked")?.value;
}

function readAnswer(form, choices, input) {
  const value = chosen(form);
  const words = input.value.trim();
  if (!choices.length || value === OTHER) return words ? { value: words, words } : null;
  const choice = choices.find((one) => one.value === value);
  return choice ? { value, words: choice.label } : null;
}
