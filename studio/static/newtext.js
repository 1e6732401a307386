// A text by the person, written at the end of a branch that rests.

import { drafts } from "./drafts.js";
import { h, icon } from "./dom.js";
import { Editor } from "./editor.js";
import { FIELDS, STAGES, isPicture } from "./words.js";

const INVITATION = {
  plan: "Add a plan of your own", inspect: "Inspect it yourself",
  think: "Write the first thought yourself", reflect: "Say what to improve yourself",
};

/** What a person may write after a step in this way of working, or null. */
export function nextText(step, protocol) {
  if (protocol === "think" || protocol === "irg") {
    if (step.kind === "prompt" || (step.start && protocol === "think")) return "think";
    return protocol === "irg" && (isPicture(step.kind) || (step.kind === "inspect" && !step.fields.correction)) ? "reflect" : null;
  }
  if (step.kind === "sketch") return "inspect";
  return ["prompt", "refine", "image"].includes(step.kind) || (step.kind === "inspect" && !step.fields.correction) ? "plan" : null;
}

export class NewText {
  constructor(app) {
    this.app = app;
    this.node = h("div.new-text");
    this.tip = null;
  }

  update(tip, kind) {
    if (this.tip === tip && this.kind === kind) return;
    Object.assign(this, { tip, kind, key: `${this.app.model.sid}:after ${tip}` });
    if (drafts.get(this.key)) this.#write(null);
    else this.#rest();
  }

  #rest() {
    this.node.replaceChildren(h("button.add", { type: "button", onclick: () => this.#write(), "data-do": "add" },
      icon("plus"), INVITATION[this.kind]));
  }

  #write(focus) {
    const { kind } = this;
    const editor = new Editor({
      step: { kind, fields: Object.fromEntries(FIELDS[kind].map(([name]) => [name, ""])) }, draftKey: this.key, focus, known: [],
      hint: (text, show) => this.app.hintFor(text, show),
      onSave: ({ fields, run }) => this.app.addText(this.tip, kind, fields, run),
      onClose: () => this.#rest(),
    });
    this.node.replaceChildren(h("section.card", { style: `--c:var(--${kind})`, "aria-label": INVITATION[kind] },
      h("header.head", {}, h("h3", {}, STAGES[kind]), h("span.who", {}, "by you")), editor.node));
  }
}
