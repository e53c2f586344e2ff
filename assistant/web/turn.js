// One question and its answer on the page. Frames go in through `receive`; what the person does comes out through `on`.

import { feedback, followUps } from "./after.js";
import { artifactCard, crisisCard, dispositionCard, emergencyCard, failureCard, rankOf, refusalCard, sectionCard, sectionOf } from "./cards.js";
import { h } from "./dom.js";
import { foreign, say } from "./i18n.js";
import { questionCard } from "./question.js";
import { SourceBook, sourceChip, sourceList } from "./sources.js";

const SLOW_MS = 15_000;

export class Turn {
  ended = false;
  #stopped = false;
  #slow = 0;

  /**
   * `frame` is the message or reply that was asked; `words` is what the person sees of it; `level` is the heading level.
   * `on` has announce(text), ask(text), edit(text), reply(question_id, value, words), source(source, n, sentences, locale),
   * rate(turn_id, rating, comment), wrong(), ambulance() and print().
   */
  constructor({ frame, words, locale, level, on }) {
    Object.assign(this, { frame, words, locale, level, on });
    this.answer = h("div", { class: "answer" });
    this.after = h("div", { class: "after" });
    this.status = h("p", { class: "status" });
    this.node = h("article", { class: "turn", lang: say(locale, "lang"), tabindex: "-1", "aria-label": say(locale, "your_question") },
      h("div", { class: "asked" },
        h(`h${level}`, { class: "asked-label" }, say(locale, frame.type === "reply" ? "your_answer" : "your_question")),
        h("p", { lang: foreign(words, locale) }, words)),
      this.answer, this.status, this.after);
    this.reset(true);
  }

  get id() {
    return this.frame.id;
  }

  /** Drops what arrived so far; the question is (or will be) sent again. */
  reset(connected) {
    this.sentences = [];
    this.cards = new Map();
    this.book = new SourceBook();
    this.disposition = null;
    this.question = null;
    this.artifacts = [];
    this.answer.replaceChildren();
    this.#showStatus(connected ? "status_sending" : "waiting_to_send");
  }

  /** Says under a question that was not yet taken up whether it can be sent. */
  connection(connected) {
    if (!this.ended && !this.sentences.length) this.#showStatus(connected ? "status_sending" : "waiting_to_send");
  }

  receive(frame) {
    if (this.ended && !this.#stopped) return;
    this[`on_${frame.type}`]?.(frame);
  }

  /** The person gave up on the answer. An emergency or crisis that still arrives is shown all the same. */
  stop() {
    this.#stopped = true;
    this.#end();
    this.answer.append(h("p", { class: "hint stopped" }, say(this.locale, "stopped")));
  }

  /** The message did not get through and is not tried again. */
  reject() {
    this.#fail({ name: "error", text: say(this.locale, "error_rejected") });
  }

  /** Takes away what only makes sense on the latest turn. */
  retire() {
    this.node.querySelectorAll(".follow, .question").forEach((node) => node.remove());
  }

  on_status({ stage }) {
    const key = `status_${stage}`;
    if (!this.#stopped && ["checking", "reading", "thinking", "verifying"].includes(stage)) this.#showStatus(key);
  }

  on_sentence(frame) {
    this.sentences.push(frame);
    if (this.#stopped) return;
    for (const label of frame.citations ?? []) this.book.cite(label, frame);
    const list = this.#card(sectionOf(frame)).querySelector("[data-lines]");
    list.append(this.#line(frame, list.tagName === "UL" ? "li" : "p"));
    // An emergency is told by its card, as an alert.
    if (this.disposition?.level !== "emergency") this.on.announce(frame.text, this.locale);
  }

  on_disposition(frame) {
    this.disposition = frame;
  }

  on_question(frame) {
    this.question = frame;
  }

  on_artifact(frame) {
    this.artifacts.push(frame);
  }

  on_error({ code }) {
    if (this.#stopped) return;
    const interrupted = code === "duplicate" || code === "interrupted";
    this.#fail({ name: "error", code, text: interrupted ? say(this.locale, "error_interrupted") : undefined });
  }

  on_done(frame) {
    const serious = frame.kind === "emergency" || frame.kind === "crisis";
    if (this.#stopped && !serious) return;
    this.#stopped = false;
    this.#end();
    if (frame.disposition && !this.disposition) this.disposition = asDisposition(frame.disposition);
    if (frame.kind === "emergency") this.#showEmergency(frame);
    else if (frame.kind === "crisis") this.#showOne(crisisCard, frame);
    else if (frame.kind === "refusal") this.#showOne(refusalCard, frame);
    else if (frame.kind === "unavailable" || this.#nothing(frame)) this.#fail({ name: "unavailable", lines: this.#texts() });
    else this.#complete(frame);
    this.#rating(frame);
  }

  #nothing({ artifacts }) {
    return !this.sentences.length && !this.question && !this.artifacts.length && !artifacts?.length;
  }

  #texts() {
    return this.sentences.map((sentence) => sentence.text);
  }

  /** Whom to call: what the server says, else what the page knows of the country. */
  #call(frame) {
    return frame.call ?? { ambulance: this.on.ambulance(), lines: [] };
  }

  #showOne(card, frame) {
    this.answer.replaceChildren(card({ lines: this.#texts(), call: this.#call(frame), locale: this.locale, level: this.level + 1 }));
  }

  #showEmergency(frame) {
    this.answer.replaceChildren(emergencyCard({ lines: this.#texts(), reasons: this.disposition?.reasons, call: this.#call(frame),
      locale: this.locale, level: this.level + 1, onwrong: this.on.wrong }));
    this.answer.querySelector("[data-focus]").focus();
  }

  #fail(failure) {
    this.#end();
    const again = () => this.frame.type === "message" ? this.on.ask(this.words)
      : this.on.reply(this.frame.question_id, this.frame.value, this.words);
    this.answer.replaceChildren(failureCard({ ...failure, locale: this.locale, level: this.level + 1, onretry: again,
      onedit: () => this.on.edit(this.words) }));
    this.on.announce(say(this.locale, `${failure.name}_heading`), this.locale);
  }

  #complete(frame) {
    const { locale, level } = this;
    this.book.fill(frame.sources);
    this.#openChips();
    const banner = this.disposition && dispositionCard(this.disposition, this.#call(frame), locale, level + 1);
    if (banner) this.answer.prepend(banner);
    const shown = this.artifacts.length ? this.artifacts : frame.artifacts ?? [];
    this.answer.append(...shown.map((one) => artifactCard(one, locale)));
    const list = sourceList(this.book, locale, level + 1, (label) => this.#openSource(label, this.book.sentences(label)));
    if (list) this.after.append(list);
    if (this.question) this.#ask(this.question);
    for (const small of [...frame.notices ?? [], frame.disclaimer].filter(Boolean)) {
      this.after.append(h("p", { class: "hint disclaimer" }, small));
    }
    if (!this.question) this.#follow(frame.suggestions ?? []);
    this.on.announce(this.question?.text ?? say(locale, "ready_answer"), locale);
  }

  #ask(question) {
    this.after.append(questionCard(question, this.locale, (value, words) =>
      this.on.reply(question.question_id, value, words)));
  }

  #follow(suggested) {
    const follow = followUps(suggested, [...this.cards.keys()], this.locale, this.level + 1, this.on.ask);
    if (follow) this.after.append(follow);
  }

  #rating({ turn_id, kind }) {
    if (!turn_id || kind === "question" || kind === "crisis" || kind === "unavailable") return;
    const print = h("button", { class: "button button-plain print", type: "button", onclick: this.on.print }, say(this.locale, "print"));
    this.after.append(h("div", { class: "closing" },
      feedback(this.locale, this.id, (rating, comment) => this.on.rate(turn_id, rating, comment)), print));
  }

  #card(section) {
    if (!this.cards.size) this.lead = section;
    if (!this.cards.has(section)) this.#insert(section, sectionCard(section, this.locale, this.level + 1));
    return this.cards.get(section);
  }

  #insert(section, card) {
    const rank = rankOf(section, this.lead);
    const next = [...this.cards].filter(([other]) => rankOf(other, this.lead) > rank)
      .sort(([a], [b]) => rankOf(a, this.lead) - rankOf(b, this.lead))[0];
    this.cards.set(section, card);
    this.answer.insertBefore(card, next ? next[1] : null);
  }

  #line(frame, tag) {
    const chips = (frame.citations ?? []).map((label) =>
      sourceChip(label, this.book.number(label), this.locale, () => this.#openSource(label, [frame])));
    return h(tag, {}, frame.text, " ", ...chips);
  }

  #openSource(label, sentences) {
    this.on.source(this.book.get(label), this.book.number(label), sentences, this.locale);
  }

  #openChips() {
    for (const chip of this.answer.querySelectorAll(".chip")) {
      const source = this.book.get(chip.dataset.label);
      if (!source) continue;
      chip.disabled = false;
      chip.setAttribute("aria-label", say(this.locale, "source_named", { n: this.book.number(chip.dataset.label), title: source.title ?? "" }));
    }
  }

  #showStatus(key) {
    clearTimeout(this.#slow);
    const text = say(this.locale, key);
    if (this.status.textContent !== text) this.on.announce(text, this.locale);
    this.status.textContent = text;
    this.status.hidden = false;
    if (key !== "waiting_to_send") this.#slow = setTimeout(() => this.#showStatus("status_slow"), SLOW_MS);
  }

  #end() {
    clearTimeout(this.#slow);
    this.ended = true;
    this.status.hidden = true;
  }
}

function asDisposition(disposition) {
  return typeof disposition === "string" ? { level: disposition, reasons: [] } : disposition;
}
