// A text by the person, written at the end of a branch that rests.

import { h, icon } from "../lib/dom.js";
import { drafts } from "../lib/drafts.js";
import { FIELDS, STEP_NAMES } from "../lib/words.js";
import { TextEditor } from "./text_editor.js";

const INVITATION = {
  plan: "Add your own plan", inspect: "Inspect it yourself",
  think: "Write the first thought yourself", reflect: "Say yourself what to improve",
};

export class NewText {
  constructor({ tab, steps, hints }) {
    Object.assign(this, { tab, steps, hints, tip: null });
    this.node = h("div.new-text");
  }

  /** `kind`: of the text that may come after the step `tip`. */
  update(tip, kind) {
    if (this.tip === tip && this.kind === kind) return;
    Object.assign(this, { tip, kind, key: `${this.tab.sid}:after ${tip}` });
    if (drafts.get(this.key)) this.#write(null);
    else this.#rest();
  }

  #rest() {
    this.node.replaceChildren(h("button.add", { type: "button", onclick: () => this.#write(), "data-do": "add" },
      icon("plus"), INVITATION[this.kind]));
  }

  #write(focus) {
    const { kind } = this;
    const editor = new TextEditor({
      step: { kind, fields: Object.fromEntries(FIELDS[kind].map(([name]) => [name, ""])) }, draftKey: this.key, focus, known: [],
      hint: (text, show) => this.hints.ask(text, show),
      onSave: ({ fields, run }) => this.steps.addText(this.tip, kind, fields, run),
      onClose: () => this.#rest(),
    });
    this.node.replaceChildren(h("section.card", { style: `--c:var(--${kind})`, "aria-label": INVITATION[kind] },
      h("header.head", {}, h("h3", {}, STEP_NAMES[kind]), h("span.who", {}, "by you")), editor.node));
  }
}
