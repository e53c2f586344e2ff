// Where the person writes. Enter sends, Shift+Enter makes a new line, and Enter inside an input method never sends.

import { countCharacters, h } from "./dom.js";
import { say } from "./i18n.js";

const LIMIT = 4000;
const NEAR = 400; // the counter shows when this many characters are left

export class Composer {
  #busy = false;

  /** `on` has send(text) and stop(). */
  constructor(on) {
    this.on = on;
    this.field = h("textarea", { id: "question", rows: "2", "aria-describedby": "question-hint question-problem", autocomplete: "off",
      enterkeyhint: "send" });
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("input", () => this.#count());
    this.label = h("label", { for: "question" });
    this.hint = h("p", { id: "question-hint", class: "hint" });
    this.counter = h("p", { class: "counter", hidden: true });
    this.problem = h("p", { id: "question-problem", class: "problem", role: "alert" });
    this.send = h("button", { class: "button send", type: "submit" });
    this.halt = h("button", { class: "button button-stop", type: "button", hidden: true, onclick: () => this.on.stop() });
    this.node = h("form", { class: "composer", novalidate: true, onsubmit: (event) => { event.preventDefault(); this.#submit(); } },
      this.label, this.hint,
      h("div", { class: "write" }, this.field, this.send, this.halt), this.counter, this.problem);
  }

  /** Says everything in another language; what was typed stays. */
  speak(locale) {
    this.locale = locale;
    this.label.textContent = say(locale, "composer_label");
    this.hint.textContent = say(locale, "composer_hint");
    this.send.textContent = say(locale, "send");
    this.halt.textContent = say(locale, "stop");
    this.problem.textContent = "";
    this.#count();
  }

  /** While an answer is on its way, Stop stands in the place of Ask; the focus goes along. */
  busy(busy) {
    const focused = this.node.getRootNode().activeElement;
    this.#busy = busy;
    this.send.hidden = busy;
    this.halt.hidden = !busy;
    this.problem.textContent = "";
    if (focused === this.send && busy) this.halt.focus();
    if (focused === this.halt && !busy) this.send.focus();
  }

  /** Puts a text in to be changed, and the cursor behind it. */
  edit(text) {
    this.field.value = text;
    this.#count();
    this.field.focus();
  }

  #key(event) {
    const composing = event.isComposing || event.keyCode === 229; // 229: Safari's Enter that ends a composition
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.field.value.trim();
    const over = countCharacters(text) - LIMIT;
    this.problem.textContent = this.#busy ? say(this.locale, "busy_message")
      : !text ? say(this.locale, "empty_message")
        : over > 0 ? say(this.locale, "chars_over", { n: over }) : "";
    if (this.problem.textContent) return this.field.focus();
    this.field.value = "";
    this.#count();
    // On a phone the keyboard would cover the answer.
    if (matchMedia("(pointer: coarse)").matches) this.field.blur();
    this.on.send(text);
  }

  #count() {
    const left = LIMIT - countCharacters(this.field.value.trim());
    this.counter.hidden = left > NEAR;
    this.counter.classList.toggle("over", left < 0);
    this.counter.textContent = left < 0 ? say(this.locale, "chars_over", { n: -left }) : say(this.locale, "chars_left", { n: left });
    this.field.toggleAttribute("aria-invalid", left < 0);
    if (left < 0) this.field.setAttribute("aria-invalid", "true");
    if (left >= 0) this.problem.textContent = "";
  }
}
