// Editing a card's text in place: one textarea per field, kept as a draft until it is saved or discarded.

import { growWithText, h, setText } from "../lib/dom.js";
import { drafts } from "../lib/drafts.js";
import { FIELDS, STEP_NAMES } from "../lib/words.js";
import { matchingEdit } from "./matching_edit.js";

const LIMIT = 4000;

export class TextEditor {
  /** `known`: the versions of this card when editing began. `focus` names the field to begin in; `onSave({fields, run, force})` resolves to null or {text, force}. */
  constructor({ step, draftKey, known, focus, onSave, onClose, hint }) {
    Object.assign(this, { step, draftKey, known, onSave, onClose, hint });
    const draft = drafts.get(draftKey);
    this.ownDescription = Boolean(draft);
    this.areas = {};
    this.problem = h("p.problem", { role: "alert" });
    this.hints = h("p.hint", { "aria-live": "polite" });
    this.main = h("button.btn.main", { type: "button", onclick: () => this.save(true) },
      focus === "correction" ? "Refine and run from here" : "Save and run from here");
    this.only = h("button.btn", { type: "button", onclick: () => this.save(false) }, "Save only");
    const fields = FIELDS[step.kind].map(([name, label]) => {
      const area = h("textarea", {
        rows: 1, dir: "auto", value: draft?.[name] ?? step.fields[name], "data-field": name,
        placeholder: name === "correction" ? "What should be fixed? Leave empty if nothing." : "",
        oninput: () => this.typed(name),
        onkeydown: (event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.save(true);
        },
      });
      growWithText(area);
      this.areas[name] = area;
      return h("label.field.edit", {}, h("small", {}, label), area);
    });
    this.node = h("form.editor", {
      "aria-label": `Rewrite ${STEP_NAMES[step.kind]}`,
      onsubmit: (event) => event.preventDefault(),
      onkeydown: (event) => {
        if (event.key === "Escape") {
          event.stopPropagation();
          this.discard();
        }
      },
    }, ...fields, draft && h("p.hint", {}, "This is your unsaved text from earlier."), this.hints, this.problem,
    h("div.row", {}, this.main, this.only,
      h("button.btn", { type: "button", onclick: () => this.discard() }, "Discard")));
    requestAnimationFrame(() => {
      const first = this.areas[focus] || Object.values(this.areas)[0];
      // A person who was quick enough to choose a field keeps it: words must not land in another.
      if (focus !== null && !this.node.contains(document.activeElement)) first.focus();
    });
  }

  get fields() {
    return Object.fromEntries(Object.entries(this.areas).map(([name, area]) => [name, area.value]));
  }

  /** The description follows the instruction until the person writes in it themselves. */
  typed(name) {
    const { instruction, description } = this.areas;
    if (name === "description") this.ownDescription = true;
    if (name === "instruction" && description && !this.ownDescription) {
      description.value = matchingEdit(this.step.fields.instruction, instruction.value, this.step.fields.description);
    }
    this.changed();
  }

  changed() {
    drafts.set(this.draftKey, this.fields);
    this.force = false;
    const long = Object.values(this.areas).find((area) => [...area.value].length > LIMIT);
    setText(this.problem, long
      ? `This text has ${[...long.value].length.toLocaleString("en")} characters; the limit is ${LIMIT.toLocaleString("en")}. Shorten it to save. Nothing is lost.`
      : "");
    this.main.disabled = this.only.disabled = Boolean(long);
    this.hint(Object.values(this.fields).join(" "), (text) => setText(this.hints, text));
  }

  async save(run) {
    if (this.main.disabled) return;
    const busy = (is) => {
      this.main.disabled = this.only.disabled = is;
      for (const area of Object.values(this.areas)) area.readOnly = is; // what is written meanwhile would be lost
    };
    busy(true);
    const problem = await this.onSave({ fields: this.fields, run, force: Boolean(this.force), known: this.known });
    busy(false);
    if (problem) {
      this.force = problem.force;
      setText(this.problem, problem.text);
      return;
    }
    drafts.drop(this.draftKey);
    this.onClose();
  }

  discard() {
    drafts.drop(this.draftKey);
    this.onClose();
  }
}
