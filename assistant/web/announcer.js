// Tells screen readers what happens, one whole sentence at a time. What was said is taken away again, so that nobody
// who browses the page meets it twice.

import { h } from "./dom.js";

const KEPT_MS = 20_000;

export class Announcer {
  constructor() {
    this.node = h("div", { class: "unseen announcer", "aria-live": "polite", "aria-relevant": "additions" });
  }

  say(text, lang) {
    const line = h("p", { lang }, text);
    this.node.append(line);
    setTimeout(() => line.remove(), KEPT_MS);
  }
}
