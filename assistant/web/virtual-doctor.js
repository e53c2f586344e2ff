// <virtual-doctor>: the patient's chat. One script tag puts it on any page:
//   <script type="module" src="https://doctor.example.org/web/virtual-doctor.js"></script>
//   <virtual-doctor locale="en" country="GB" mode="panel"></virtual-doctor>
// Attributes: `locale` en|zh, `theme` auto|light|dark, `endpoint` address of the chat socket, `country` (ISO 3166-1
// alpha-2, for the emergency number), `mode` page (the whole window, the default) or panel (inside another page).

import { Announcer } from "./announcer.js";
import { ambulanceFor } from "./call.js";
import { Banner, emergencyLine, header, restartDialog, welcome } from "./chrome.js";
import { Composer } from "./composer.js";
import { h, newId, redraw } from "./dom.js";
import { firstLocale, say } from "./i18n.js";
import { remember, remembered } from "./memory.js";
import { Connection } from "./socket.js";
import { SourceDialog } from "./sources.js";
import { Turn } from "./turn.js";

const STYLE = new URL("./virtual-doctor.css", import.meta.url).href;
const ENDPOINT = new URL("../api/v1/chat", import.meta.url).href;
const LEVEL = 2; // of the highest heading below the page's own
const DARK = matchMedia("(prefers-color-scheme: dark)");

class VirtualDoctor extends HTMLElement {
  static observedAttributes = ["locale", "theme", "country"];
  #turns = [];
  #session = null; // "" once the server has lost it
  #greeting = {};
  #built = false;

  connectedCallback() {
    if (!this.#built) this.#build();
    this.#connect();
    DARK.addEventListener("change", this.#drawTheme);
  }

  disconnectedCallback() {
    this.connection.close();
    DARK.removeEventListener("change", this.#drawTheme);
  }

  attributeChangedCallback(name, before, now) {
    if (!this.#built || before === now) return;
    if (name === "locale" && (now === "en" || now === "zh")) this.#speak(now);
    else this.#draw();
    if (name === "country") this.#moved();
  }

  get #page() {
    return this.getAttribute("mode") !== "panel";
  }

  #build() {
    this.#built = true;
    this.locale = firstLocale(this.getAttribute("locale"), remembered("locale"), navigator.languages);
    this.#makeParts();
    const style = h("link", { rel: "stylesheet", href: STYLE });
    this.frame = h("div", { class: "frame", hidden: true }, this.top, this.main, this.announcer.node);
    style.onload = style.onerror = () => { this.frame.hidden = false; };
    this.attachShadow({ mode: "open" }).append(style, this.frame);
    this.#draw();
  }

  #makeParts() {
    this.announcer = new Announcer();
    this.composer = new Composer({ send: (text) => this.#ask(text), stop: () => this.#stop() });
    this.banner = new Banner({ onretry: () => this.connection.retryNow(), announce: (text) => this.#announce(text) });
    this.sourceDialog = new SourceDialog(new URL("passages/", this.#httpEndpoint()).href);
    this.restart = restartDialog(() => this.#restart());
    // A button: the fragment of a link does not reach into a shadow root.
    this.skip = h("button", { class: "skip", type: "button", onclick: () => this.composer.field.focus() });
    this.top = h(this.#page ? "header" : "div", { class: "top" });
    this.start = h("div", {});
    this.list = h("div", { class: "turns" });
    this.scroll = h("div", { class: "scroll", tabindex: "0", role: "region" }, this.start, this.list);
    this.main = h(this.#page ? "main" : "div", { class: "main" }, this.scroll,
      h("div", { class: "dock" }, this.banner.node, this.composer.node),
      this.sourceDialog.node, this.restart.node);
  }

  #httpEndpoint() {
    return new URL(this.getAttribute("endpoint") ?? ENDPOINT, document.baseURI);
  }

  #socketAddress() {
    const address = this.#httpEndpoint();
    address.protocol = address.protocol.replace("http", "ws");
    return address.href;
  }

  #connect() {
    const connection = new Connection(this.#socketAddress(), () => this.#hello());
    this.connection = connection;
    connection.addEventListener("frame", (event) => this.#receive(event.detail));
    connection.addEventListener("state", (event) => this.#connectionState(event.detail));
    connection.addEventListener("again", (event) => this.#turn(event.detail)?.reset(true));
    connection.addEventListener("rejected", (event) => this.#rejected(event.detail));
    connection.open();
  }

  #hello() {
    const country = this.getAttribute("country")?.toUpperCase();
    const known = { ...(this.#session && { session: this.#session }), ...(country && { country }) };
    return { type: "hello", locale: this.locale, role: "patient", ...known };
  }

  #connectionState(detail) {
    this.banner.show(detail);
    for (const turn of this.#turns) turn.connection(detail.state === "ready");
  }

  #receive(frame) {
    if (frame.type === "ready") return this.#greeted(frame);
    if (frame.type === "error" && frame.code === "unknown_session") this.#forget();
    const turn = this.#turn(frame.id);
    if (!turn) return;
    turn.receive(frame);
    if (frame.call?.ambulance) this.#learnNumber(frame.call);
    if (turn.ended) this.composer.busy(Boolean(this.#running()));
  }

  /** The server no longer knows the session: a new one is begun over the same connection. */
  #forget() {
    this.#session = "";
    this.connection.greet();
  }

  #greeted(frame) {
    const lost = this.#session !== null && frame.session !== this.#session && this.#turns.length > 0;
    if (lost) this.#note(say(this.locale, "session_lost"));
    this.#session = frame.session;
    this.#greeting = { call: this.#greeting.call, ...frame };
    this.#drawStart();
    this.#drawTop();
  }

  #learnNumber(call) {
    this.#greeting = { ...this.#greeting, call };
    this.#drawTop();
  }

  #turn(id) {
    return this.#turns.find((turn) => turn.id === id);
  }

  #running() {
    return this.#turns.find((turn) => !turn.ended);
  }

  #ask(text) {
    this.#startTurn({ type: "message", id: newId(), text }, text);
  }

  #reply(question_id, value, words) {
    this.#startTurn({ type: "reply", id: newId(), question_id, value }, words);
  }

  #startTurn(frame, words) {
    if (this.#running()) return this.#announce(say(this.locale, "busy_message"));
    const typing = this.shadowRoot.activeElement && this.composer.node.contains(this.shadowRoot.activeElement);
    for (const turn of this.#turns) turn.retire();
    const turn = new Turn({ frame, words, locale: this.locale, level: LEVEL, on: this.#turnEvents() });
    turn.connection(this.connection.ready);
    this.#turns.push(turn);
    this.list.append(turn.node);
    this.#drawStart();
    this.#drawTop();
    this.composer.busy(true);
    if (!typing) turn.node.focus({ preventScroll: true }); // the button that was pressed is gone
    turn.node.scrollIntoView({ block: "start" });
    this.connection.ask(frame);
  }

  #turnEvents() {
    return {
      announce: (text, locale) => this.#announce(text, locale),
      ask: (text) => this.#ask(text),
      edit: (text) => this.composer.edit(text),
      reply: (question_id, value, words) => this.#reply(question_id, value, words),
      source: (source, n, sentences, locale) => this.sourceDialog.show(source, n, sentences, locale),
      rate: (turn_id, rating, comment) =>
        this.connection.tell({ type: "feedback", turn_id, rating, ...(comment ? { comment } : {}) }),
      wrong: () => this.composer.field.focus(),
      ambulance: () => this.#ambulance(),
      print: () => print(),
    };
  }

  #stop() {
    const turn = this.#running();
    if (!turn) return;
    this.connection.stop(turn.id);
    turn.stop();
    this.#announce(say(this.locale, "stopped"));
    this.composer.busy(false);
  }

  #rejected(id) {
    this.#turn(id)?.reject();
    this.composer.busy(Boolean(this.#running()));
  }

  #restart() {
    this.connection.close();
    this.#turns = [];
    this.#session = null;
    this.list.replaceChildren();
    this.composer.busy(false);
    this.#drawStart();
    this.#drawTop();
    this.#connect();
    this.composer.field.focus();
  }

  #note(text) {
    this.list.append(h("p", { class: "note", lang: say(this.locale, "lang") }, text));
    this.#announce(text);
  }

  #announce(text, locale = this.locale) {
    this.announcer.say(text, say(locale, "lang"));
  }

  // ---- drawing

  #speak(locale) {
    if (locale === this.locale) return;
    this.locale = locale;
    this.#draw();
    this.connection.greet();
  }

  #switchLanguage() {
    const other = this.locale === "zh" ? "en" : "zh";
    remember("locale", other);
    this.#speak(other);
  }

  #switchTheme() {
    const theme = this.#dark() ? "light" : "dark";
    remember("theme", theme);
    this.setAttribute("theme", theme);
  }

  #dark() {
    const theme = this.getAttribute("theme") ?? remembered("theme");
    return theme === "dark" || (theme !== "light" && DARK.matches);
  }

  #draw() {
    const lang = say(this.locale, "lang");
    this.frame.setAttribute("lang", lang);
    if (this.#page) {
      document.documentElement.lang = lang;
      document.title = say(this.locale, "name");
    }
    this.skip.textContent = say(this.locale, "skip");
    this.scroll.setAttribute("aria-label", say(this.locale, "conversation"));
    this.composer.speak(this.locale);
    this.banner.speak(this.locale);
    this.#drawTheme();
    this.#drawStart();
  }

  #drawTheme = () => {
    this.frame.dataset.theme = this.#dark() ? "dark" : "light";
    this.#drawTop();
  };

  /** The number that the server says, else that of the portal's country, else what the language suggests. */
  #ambulance() {
    return this.#greeting.call?.ambulance ?? ambulanceFor(this.getAttribute("country"), this.locale);
  }

  #moved() {
    this.#greeting = { ...this.#greeting, call: undefined };
    this.#drawTop();
    this.connection.greet();
  }

  #drawTop() {
    redraw(this.top, this.skip,
      header({ locale: this.locale, dark: this.#dark(), level: this.#page ? 1 : null, started: this.#turns.length > 0, on: {
        language: () => this.#switchLanguage(), theme: () => this.#switchTheme(), restart: () => this.restart.show(this.locale),
      } }),
      emergencyLine(this.#ambulance(), this.locale));
  }

  #drawStart() {
    if (this.#turns.length) return this.start.replaceChildren();
    const { disclaimer, notices } = this.#greeting;
    redraw(this.start,
      welcome({ locale: this.locale, level: LEVEL, disclaimer, notices, onask: (text) => this.#ask(text) }));
  }
}

customElements.define("virtual-doctor", VirtualDoctor);
