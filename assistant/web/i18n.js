// The page's own words by language. A missing key throws: a patient must never see a key's name.

import { EN } from "./words-en.js";
import { ZH } from "./words-zh.js";

export const TEXTS = { en: EN, zh: ZH };

/** What the page says for `key` in `locale`, with `{name}` filled in from `values`. */
export function say(locale, key, values = {}) {
  const text = TEXTS[locale][key];
  if (text === undefined) throw new Error(`no text for ${key} in ${locale}; add it to i18n.js`);
  if (typeof text !== "string") return text;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** The `lang` of a text (a title, a name) inside a page in `locale`, when it is in the other language; else undefined. */
export function foreign(text, locale) {
  const chinese = /\p{Script=Han}/u.test(text ?? "");
  if (locale === "en") return chinese ? ZH.lang : undefined;
  return !chinese && /[a-z]{3}/i.test(text ?? "") ? EN.lang : undefined;
}

/** The locale to start with: what the portal set, what the person chose before, what the browser prefers. */
export function firstLocale(attribute, saved, languages) {
  const wanted = [attribute, saved, ...languages].filter(Boolean).map((tag) => tag.toLowerCase().slice(0, 2));
  return wanted.find((tag) => tag in TEXTS) ?? "en";
}
