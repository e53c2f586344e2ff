// Emergency numbers and `tel:` links.

import { h, icon, ICONS, phoneAddress, webAddress } from "./dom.js";
import { say } from "./i18n.js";

// National ambulance numbers as their governments publish them. The server's `call` goes before this table: it is what
// the page can say before, and without, a connection.
const AMBULANCE = {
  CN: "120", HK: "999", MO: "999", TW: "119", SG: "995", MY: "999", JP: "119", KR: "119", IN: "112",
  GB: "999", IE: "112", US: "911", CA: "911", AU: "000", NZ: "111", ZA: "112", DE: "112", FR: "112", ES: "112",
};

/** The ambulance number for a country (ISO 3166-1 alpha-2), or null. Chinese without a country is taken as mainland China. */
export function ambulanceFor(country, locale) {
  if (country) return AMBULANCE[country.toUpperCase()] ?? null;
  return locale === "zh" ? AMBULANCE.CN : null;
}

/** A link that dials, or plain text where the number has no digits. */
export function callLink(phone, words, kind) {
  const address = phoneAddress(phone);
  if (!address) return h("span", { class: kind }, words);
  return h("a", { class: kind, href: address }, icon(ICONS.phone), h("span", {}, words));
}

/** Whether a text tells what to dial where the local number is not known. */
export function namesGeneralNumbers(text) {
  return /\b(112|911|999)\b/.test(text ?? "");
}

/** The big button of the emergency card, or the words for "your local number". */
export function ambulanceCall(number, locale) {
  if (!number) return h("p", { class: "call-words" }, say(locale, "emergency_call_local"));
  return h("p", {}, callLink(number, say(locale, "call_number", { number }), "call"));
}

/** Whether a sentence tells no more than one of the links of `helplines` does. */
export function namesHelpline(text, lines) {
  return (lines ?? []).some(({ phone, url }) => (phone && text.includes(phone)) || (webAddress(url) && text.includes(hostOf(url))));
}

function hostOf(url) {
  return new URL(url).hostname;
}

/** Helplines as large links, each with its website where there is one. */
export function helplines(lines, locale) {
  const items = (lines ?? []).map((line) => h("li", {}, helpline(line, locale)));
  return items.length ? h("ul", { class: "helplines" }, items) : null;
}

/** The number first: it is what a shaking hand looks for. */
function callWords(name, phone, locale) {
  return h("span", { class: "line" }, say(locale, "call_number", { number: phone }), " ",
    h("span", { class: "line-name" }, name ?? ""));
}

function helpline({ name, phone, url }, locale) {
  const web = webAddress(url);
  return [
    phone ? callLink(phone, callWords(name, phone, locale), "call call-calm") : h("strong", { class: "line-only" }, name ?? ""),
    web && h("a", { class: "web", href: web, target: "_blank", rel: "noopener noreferrer" },
      phone ? say(locale, "line_web", { name }) : hostOf(web), " ", say(locale, "source_new_tab")),
  ];
}
