// Short news at the bottom of the page, with a button where something can be done about it.

import { h, icon } from "../lib/dom.js";

export class Toasts {
  constructor() {
    this.node = h("div.toasts", { role: "status", "aria-live": "polite" });
  }

  show(text, { action = null, onAction = null, bad = false, seconds = 8 } = {}) {
    const toast = h(`div.toast${bad ? ".bad" : ""}`, {}, h("span", { dir: "auto" }, text),
      action && h("button.link", {
        type: "button",
        onclick: () => {
          toast.remove();
          onAction();
        },
      }, action),
      h("button.btn.quiet.only", { type: "button", "aria-label": "Dismiss", onclick: () => toast.remove() }, icon("close")));
    this.node.append(toast);
    while (this.node.children.length > 3) this.node.firstChild.remove();
    setTimeout(() => toast.remove(), (bad ? 3 : 1) * seconds * 1000);
  }
}
