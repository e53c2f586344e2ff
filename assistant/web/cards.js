// The cards a person sees: by urgency, in the manner of the NHS design system. Colour never stands alone: every card says
// in its heading what its colour means.

import { ambulanceCall, helplines, namesGeneralNumbers, namesHelpline } from "./call.js";
import { h, icon, ICONS, ownAddress } from "./dom.js";
import { say } from "./i18n.js";

export const LEVELS = ["emergency", "urgent", "routine", "self_care"];

// Where a card stands in an answer. The part that the answer opens with comes before all of these.
const ORDER = ["overview", "record", "get_help.emergency", "get_help.urgent", "get_help.routine", "self_care", "symptoms",
  "causes", "diagnosis", "medicines", "prevention", "special_groups", "clinician"];

/** The card that a sentence belongs to. */
export function sectionOf({ section, ledger }) {
  if (ledger === "record") return "record";
  return ORDER.includes(section) ? section : "overview";
}

/** The place of a section's card: lower is nearer the top. */
export function rankOf(section, lead) {
  const isAdvice = section.startsWith("get_help.");
  return section === lead && !isAdvice ? -1 : ORDER.indexOf(section);
}

/** An empty card for a section, with a list or a text to put sentences into (`data-lines`). */
export function sectionCard(section, locale, level) {
  const name = section.replace("get_help.", "");
  if (section.startsWith("get_help.")) return careCard(name, say(locale, `if_${name}`), locale, level, lines("ul"));
  if (section === "self_care") return careCard(name, say(locale, "level_self_care"), locale, level, lines("ul"));
  const heading = section === "overview" ? null : h(`h${level}`, {}, say(locale, `section_${name}`));
  return h("section", { class: section === "record" ? "part part-record" : "part" }, heading, lines("div"));
}

function lines(tag) {
  return h(tag, { class: "lines", "data-lines": true });
}

function careCard(name, heading, locale, level, ...body) {
  const spoken = h("span", { class: "unseen" }, say(locale, `sublevel_${name}`) + say(locale, "colon"));
  return h("section", { class: `card card-${name}` },
    h(`h${level}`, { class: "card-heading" }, spoken, heading), h("div", { class: "card-body" }, ...body));
}

/** What the person's own words call for: "Get help today", with the reasons. */
export function dispositionCard({ level: name, reasons }, call, locale, level) {
  if (!LEVELS.includes(name)) return null;
  const why = (reasons ?? []).map((reason) => reason.text).filter(Boolean);
  return careCard(name, say(locale, name === "self_care" ? "sublevel_self_care" : `level_${name}`), locale, level,
    h("p", {}, say(locale, `detail_${name}`)),
    name === "emergency" && ambulanceCall(call.ambulance, locale),
    why.length > 0 && h("p", { class: "why" }, h("strong", {}, say(locale, "reasons_title")), say(locale, "colon"), why.join(" ")));
}

/** The emergency card. The first line is what to do now; the others are what to do meanwhile, but for the reasons among them. */
export function emergencyCard({ lines: [first, ...others], reasons, call, locale, level, onwrong }) {
  const heading = h(`h${level}`, { class: "card-heading", tabindex: "-1", "data-focus": true }, say(locale, "emergency_heading"));
  const why = [...new Set((reasons ?? []).map((reason) => reason.text).filter(Boolean))];
  const rest = others.filter((line) => !why.includes(line));
  const number = call?.ambulance ?? null;
  return h("section", { class: "card card-emergency card-alarm", role: "alert" }, heading,
    h("div", { class: "card-body" },
      first && h("p", { class: "now" }, first),
      (number || !namesGeneralNumbers(first)) && ambulanceCall(number, locale),
      helplines(call?.lines, locale),
      why.map((text) => h("p", {}, text)),
      rest.length > 0 && h(`h${level + 1}`, {}, say(locale, "emergency_meanwhile")),
      rest.length > 0 && h("ul", { class: "lines" }, rest.map((line) => h("li", {}, line))),
      triggerWords(reasons, locale),
      wrongButton(locale, onwrong)));
}

function triggerWords(reasons, locale) {
  const words = [...new Set((reasons ?? []).flatMap((reason) => reason.words ?? []))];
  if (!words.length) return null;
  const [open, close] = say(locale, "quote");
  const quoted = words.map((word) => `${open}${word}${close}`).join(locale === "zh" ? "、" : ", ");
  return h("p", { class: "hint" }, say(locale, "emergency_words"), " ", quoted);
}

function wrongButton(locale, onwrong) {
  const more = h("p", { class: "hint", hidden: true, role: "status" }, say(locale, "emergency_wrong_text"));
  const button = h("button", { class: "button button-plain", type: "button", "aria-expanded": "false", onclick: () => {
    more.hidden = false;
    button.setAttribute("aria-expanded", "true");
    onwrong();
  } }, say(locale, "emergency_wrong"));
  return h("div", { class: "wrong" }, button, more);
}

/** The crisis card: warm, with people to talk to near the top; it never looks like an alarm. */
export function crisisCard({ lines: [first, ...others], call, locale, level }) {
  const number = call?.ambulance ?? null;
  const people = helplines(call?.lines, locale);
  const rest = others.filter((line) => !namesHelpline(line, call?.lines));
  return h("section", { class: "card card-crisis" },
    h(`h${level}`, { class: "card-heading" }, say(locale, "crisis_heading")),
    h("div", { class: "card-body" },
      first && h("p", {}, first),
      people && h(`h${level + 1}`, {}, say(locale, "crisis_lines")),
      people,
      rest.map((line) => h("p", {}, line)),
      (number || !rest.some(namesGeneralNumbers)) && h("div", { class: "danger-line" },
        h("p", {}, say(locale, "crisis_danger")), ambulanceCall(number, locale))));
}

/** A refusal, always with a safe next step: what the server says after its first line, else what the page knows. */
export function refusalCard({ lines: said, call, locale, level }) {
  const steps = said.length < 2;
  return h("section", { class: "card card-plain card-refusal" },
    h(`h${level}`, { class: "card-heading" }, say(locale, "refusal_heading")),
    h("div", { class: "card-body" },
      said.map((line) => h("p", {}, line)),
      steps && h(`h${level + 1}`, {}, say(locale, "refusal_next")),
      steps && h("ul", { class: "lines" }, say(locale, "refusal_steps").map((step) => h("li", {}, step))),
      helplines(call?.lines, locale)));
}

/** No answer: `name` is "unavailable" or "error"; `code` is small print for whoever runs the service. */
export function failureCard({ name, text, code, lines: said = [], locale, level, onretry, onedit }) {
  return h("section", { class: `card card-plain card-${name}` },
    h(`h${level}`, { class: "card-heading" }, say(locale, `${name}_heading`)),
    h("div", { class: "card-body" },
      h("p", {}, text ?? say(locale, `${name}_text`)),
      said.map((line) => h("p", {}, line)),
      h("div", { class: "row" },
        onretry && h("button", { class: "button", type: "button", onclick: onretry }, say(locale, "try_again")),
        h("button", { class: "button button-plain", type: "button", onclick: onedit }, say(locale, "edit_question"))),
      code && h("p", { class: "hint" }, say(locale, "error_code") + say(locale, "colon") + code)));
}

/** An image or a document that came with the answer; only from this site. */
export function artifactCard({ kind, url, text, provenance }, locale) {
  const address = ownAddress(url);
  return h("figure", { class: "artifact" },
    kind === "image" && address ? h("img", { src: address, alt: text ?? say(locale, "artifact") }) : h("p", {}, text ?? ""),
    address && kind !== "image" && h("a", { class: "web", href: address }, say(locale, "artifact_open")),
    provenance && h("figcaption", {}, typeof provenance === "string" ? provenance : Object.values(provenance).join(" · ")));
}

/** One of the two lists of the first page, with ticks or crosses. */
export function abilityList(key, locale, level) {
  const mark = key === "can" ? ICONS.tick : ICONS.no;
  return h("section", { class: `ability ability-${key}` },
    h(`h${level}`, { class: "small-heading" }, say(locale, `${key}_title`)),
    h("ul", {}, say(locale, key).map((line) => h("li", {}, icon(mark), h("span", {}, line)))));
}
