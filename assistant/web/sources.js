// Where a statement comes from: the chips in the text, the list under an answer, and the dialog that opens the passage.

import { h, webAddress } from "./dom.js";
import { foreign, say, TEXTS } from "./i18n.js";

const LIKE = 0.35; // below this share of common letter pairs a claim is not called the one that was used

/** Numbers the labels of one answer ("E1", "R2", …) as 1, 2, 3 in the order in which they are first cited. */
export class SourceBook {
  #numbers = new Map();
  #sources = new Map();
  #sentences = new Map();

  number(label) {
    if (!this.#numbers.has(label)) this.#numbers.set(label, this.#numbers.size + 1);
    return this.#numbers.get(label);
  }

  /** `sentence` is the frame: its text, and where the server tells them the ids of the claims it rests on. */
  cite(label, sentence) {
    this.number(label);
    this.#sentences.set(label, [...(this.#sentences.get(label) ?? []), sentence]);
  }

  sentences(label) {
    return this.#sentences.get(label) ?? [];
  }

  /** Takes the `sources` of `done`; only those that a shown sentence cites are kept. */
  fill(sources) {
    for (const source of sources ?? []) if (this.#numbers.has(source.label)) this.#sources.set(source.label, source);
  }

  get(label) {
    return this.#sources.get(label);
  }

  /** [label, number, source] of every cited source that is known, by number. */
  list() {
    return [...this.#numbers].filter(([label]) => this.#sources.has(label)).map(([label, n]) => [label, n, this.get(label)]);
  }
}

/** The chip behind a sentence. It opens nothing until the answer is complete, so it waits disabled. */
export function sourceChip(label, number, locale, open) {
  return h("button", {
    class: "chip", type: "button", disabled: true, "data-label": label,
    "aria-label": say(locale, "source_n", { n: number }), onclick: open,
  }, `[${number}]`);
}

/** The list under an answer; on paper it stands in for the dialog. */
export function sourceList(book, locale, level, open) {
  const items = book.list().map(([label, n, source]) => h("li", {},
    h("button", { class: "source", type: "button", onclick: () => open(label) },
      h("span", { class: "source-n" }, `[${n}]`),
      h("span", {}, h("span", { class: "source-title", lang: foreign(source.title, locale) },
        source.title ?? say(locale, "source_n", { n })), " ", byline(source, locale))),
    source.url && h("span", { class: "print-only" }, source.url)));
  if (!items.length) return null;
  return h("section", { class: "sources" },
    h(`h${level}`, { class: "small-heading" }, say(locale, "sources_title")), h("ul", {}, items));
}

function byline(source, locale) {
  const comma = locale === "zh" ? "，" : ", ";
  const year = source.year ? comma + source.year : "";
  const section = sectionName(source.section, locale);
  return h("span", { class: "source-by" },
    h("span", { lang: foreign(source.publisher, locale) }, source.publisher ?? ""), year, section && ` · ${section}`);
}

/** How alike two texts are, 0 to 1, by their pairs of letters (Dice); works for words and for Chinese characters. */
export function likeness(a, b) {
  const [left, right] = [pairs(a), pairs(b)];
  const common = [...left].filter((pair) => right.has(pair)).length;
  return left.size + right.size ? (2 * common) / (left.size + right.size) : 0;
}

function pairs(text) {
  const letters = [...text.toLowerCase().replace(/[\s\p{P}]/gu, "")];
  return new Set(letters.slice(1).map((letter, i) => letters[i] + letter));
}

/** The ids of the claims that the given sentences rest on: as the server says, else for each the most similar one. */
export function usedClaims(claims, sentences) {
  const used = new Set();
  for (const { text, claims: told = [] } of sentences) {
    const named = claims.filter((claim) => told.includes(claim.id));
    const ranked = claims.filter((claim) => likeness(claim.text, text) >= LIKE)
      .sort((a, b) => likeness(b.text, text) - likeness(a.text, text));
    for (const claim of named.length ? named : ranked.slice(0, 1)) used.add(claim.id);
  }
  return used;
}

/** The dialog. One per page; `show` fills it anew. */
export class SourceDialog {
  #passages;
  #turn = 0; // a slow answer for a source that is no longer shown is dropped

  /** `passages` is the address under which passages are served, with a closing slash. */
  constructor(passages) {
    this.#passages = passages;
    this.node = h("dialog", { class: "dialog", "aria-labelledby": "source-title" });
    this.node.addEventListener("click", (event) => event.target === this.node && this.node.close());
  }

  /** Opens `source`, numbered `number`, for the sentences that cite it, in the language of its answer. */
  async show(source, number, sentences, locale) {
    const turn = ++this.#turn;
    const body = h("div", { class: "dialog-body" }, h("p", { role: "status" }, say(locale, "source_loading")));
    this.node.setAttribute("lang", say(locale, "lang"));
    this.node.replaceChildren(h("div", { class: "dialog-frame" }, this.#head(source, number, locale), body));
    this.node.showModal();
    const passage = await this.#fetch(source, locale);
    if (turn !== this.#turn) return;
    body.replaceChildren(...passageBody(passage, source, sentences, locale));
  }

  #head(source, number, locale) {
    return h("div", { class: "dialog-head" },
      h("h2", { id: "source-title", tabindex: "-1", autofocus: true },
        say(locale, "source_n", { n: number }), say(locale, "colon"),
        h("span", { lang: foreign(source.title, locale) }, source.title ?? "")),
      h("button", { class: "button button-plain", type: "button", onclick: () => this.node.close() },
        say(locale, "source_close")));
  }

  async #fetch(source, locale) {
    if (!source.passage_id) return null;
    try {
      const answer = await fetch(`${this.#passages}${encodeURIComponent(source.passage_id)}?locale=${locale}`);
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // offline: what `done` carried is shown instead
    }
  }
}

function passageBody(passage, source, sentences, locale) {
  if (!passage) return [
    source.passage ? h("blockquote", {}, h("p", {}, source.passage)) : null,
    source.passage_id ? h("p", { class: "hint" }, say(locale, "source_failed")) : null,
    facts(source, locale, null),
  ].filter(Boolean);
  const claims = passage.claims ?? [];
  const used = usedClaims(claims, sentences);
  return [
    h("p", { class: "hint" }, [passage.title, sectionName(passage.section, locale)].filter(Boolean).join(" · ")),
    passage.stale && h("p", { class: "stale" }, say(locale, "source_stale")),
    h("blockquote", {}, claims.map((claim) => claimLine(claim, used.has(claim.id), locale))),
    ...distinctSources(claims.filter((claim) => used.has(claim.id)), source).map((one) => facts(one, locale, passage)),
  ].filter(Boolean);
}

function sectionName(section, locale) {
  const name = (section ?? "").replace("get_help.", "");
  return TEXTS[locale][`if_${name}`] ?? TEXTS[locale][`level_${name}`] ?? TEXTS[locale][`section_${name}`] ?? "";
}

function claimLine(claim, used, locale) {
  if (!used) return h("p", {}, claim.text);
  return h("p", { class: "used" },
    h("span", { class: "used-label" }, say(locale, "source_used")), " ", h("mark", {}, claim.text));
}

function distinctSources(claims, fallback) {
  const found = new Map(claims.flatMap((claim) => claim.sources.map((one) =>
    [`${one.publisher}|${one.title}`, { ...one, country: claim.country }])));
  return found.size ? [...found.values()] : [fallback];
}

function facts(source, locale, passage) {
  const rows = [["source_document", source.title], ["source_publisher", source.publisher], ["source_year", source.year],
    ["source_page", passage?.span?.page],
    ["source_country", source.country], ["source_reviewed", passage?.reviewed_on],
    ["source_due", passage?.review_due]];
  const web = webAddress(source.url);
  return h("div", { class: "facts" },
    h("dl", {}, rows.filter(([, value]) => value).map(([key, value]) =>
      h("div", {}, h("dt", {}, say(locale, key)), h("dd", { lang: foreign(String(value), locale) }, String(value))))),
    web && h("a", { class: "web", href: web, target: "_blank", rel: "noopener noreferrer" },
      say(locale, "source_link"), " ", say(locale, "source_new_tab")));
}
