// What stands around the conversation: header, emergency line, first page, connection banner, the restart dialog.

import { callLink } from "./call.js";
import { abilityList } from "./cards.js";
import { h, icon, ICONS } from "./dom.js";
import { say } from "./i18n.js";

/** The header. `on` has language(), theme() and restart(). */
export function header({ locale, dark, level, started, on }) {
  const theme = say(locale, dark ? "theme_light" : "theme_dark");
  return h("div", { class: "header" },
    h("div", { class: "bar" },
      h("p", { class: "brand" }, h("span", { class: "mark" }, icon(ICONS.cross)), h("span", {}, say(locale, "name"))),
      h("div", { class: "tools", role: "group", "aria-label": say(locale, "tools") },
        started && h("button", { class: "tool tool-new", type: "button", onclick: on.restart }, say(locale, "new_conversation")),
        h("button", { class: "tool tool-language", type: "button", lang: say(locale, "other_language_lang"), onclick: on.language },
          say(locale, "other_language")),
        h("button", { class: "tool tool-theme", type: "button", onclick: on.theme,
          "aria-label": say(locale, "theme_label", { theme }) }, theme))),
    level === null ? null : h("h1", { class: "unseen" }, say(locale, "name")));
}

/** The line that is always in sight. */
export function emergencyLine(number, locale) {
  const call = number ? callLink(number, say(locale, "call_number", { number }), "strip-call")
    : h("span", {}, say(locale, "call_local"));
  return h("p", { class: "strip" }, h("strong", {}, say(locale, "emergency_strip")), " ", call);
}

/** The first page: what this is, what it can and cannot do, three examples. */
export function welcome({ locale, level, disclaimer, notices, onask }) {
  const examples = say(locale, "examples").map((text) =>
    h("button", { class: "suggestion", type: "button", onclick: () => onask(text) }, text));
  return h("section", { class: "welcome" },
    h(`h${level}`, { class: "title" }, say(locale, "welcome_title")),
    h("p", { class: "intro" }, say(locale, "welcome_intro")),
    h("section", { class: "examples" },
      h(`h${level + 1}`, { class: "small-heading" }, say(locale, "examples_title")), h("div", { class: "suggestions" }, examples)),
    h("div", { class: "abilities" }, abilityList("can", locale, level + 1), abilityList("cannot", locale, level + 1)),
    h("div", { class: "inset" },
      h("p", {}, h("strong", {}, say(locale, "disclaimer_title")), say(locale, "colon"), disclaimer || say(locale, "disclaimer")),
      (notices ?? []).map((notice) => h("p", {}, notice))));
}

/** The banner above the composer that tells how the connection is. Nothing is said while all is well. */
export class Banner {
  #timer = 0;
  #state = "ready";
  #broken = false; // whether there is a break to recover from

  /** `announce(text)` is for screen readers, once for each change; the seconds that count down are not read out. */
  constructor({ onretry, announce }) {
    this.onretry = onretry;
    this.announce = announce;
    this.node = h("div", { class: "banner", hidden: true });
  }

  speak(locale) {
    this.locale = locale;
    if (!this.node.hidden) this.#draw();
  }

  show({ state, wait_ms: wait }) {
    clearInterval(this.#timer);
    this.#state = state;
    this.seconds = Math.ceil(wait / 1000);
    if (state === "waiting") this.#timer = setInterval(() => this.#tick(), 1000);
    if (state === "ready") return this.#recovered();
    const first = !this.#broken;
    if (state === "connecting" && first) return;
    this.#broken = true;
    this.#draw();
    if (first) this.announce(this.node.querySelector("p").textContent);
  }

  #recovered() {
    if (!this.#broken) return;
    this.#broken = false;
    this.#draw();
    this.announce(say(this.locale, "reconnected"));
    this.#timer = setTimeout(() => { this.node.hidden = true; }, 4000);
  }

  #tick() {
    this.seconds = Math.max(0, this.seconds - 1);
    const line = this.node.querySelector("p");
    if (line) line.textContent = this.#words();
  }

  #words() {
    const key = { waiting: "reconnecting", connecting: "reconnecting_now", ready: "reconnected" }[this.#state] ?? this.#state;
    return say(this.locale, key, { n: this.seconds });
  }

  #draw() {
    const retry = (this.#state === "waiting" || this.#state === "refused") && h("button",
      { class: "button button-plain", type: "button", onclick: this.onretry }, say(this.locale, "connect_now"));
    this.node.className = `banner banner-${this.#state}`;
    this.node.hidden = false;
    this.node.replaceChildren(h("p", {}, this.#words()), ...(retry ? [retry] : []));
  }
}

/** Asks before the page is cleared. */
export function restartDialog(onrestart) {
  const node = h("dialog", { class: "dialog", "aria-labelledby": "restart-title" });
  const show = (locale) => {
    node.setAttribute("lang", say(locale, "lang"));
    node.replaceChildren(h("div", { class: "dialog-frame" },
      h("h2", { id: "restart-title" }, say(locale, "restart_title")), h("p", {}, say(locale, "restart_text")),
      h("div", { class: "row" },
        h("button", { class: "button", type: "button", onclick: () => { node.close(); onrestart(); } }, say(locale, "restart_yes")),
        h("button", { class: "button button-plain", type: "button", onclick: () => node.close() }, say(locale, "restart_no")))));
    node.showModal();
  };
  return { node, show };
}
