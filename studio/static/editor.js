// Editing a card's text in place: one textarea per field, kept as a draft until it is saved or discarded.

import { drafts } from "./drafts.js";
import { h, setText } from "./dom.js";
import { follow } from "./follow.js";
import { FIELDS, STAGES } from "./words.js";

const LIMIT = 4000;

/** Lets a textarea be as tall as its text. */
export function grow(area) {
  const fit = () => {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, 420)}px`;
  };
  area.addEventListener("input", fit);
  requestAnimationFrame(fit);
}

export class Editor {
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
      grow(area);
      this.areas[name] = area;
      return h("label.field.edit", {}, h("small", {}, label), area);
    });
    this.node = h("form.editor", {
      "aria-label": `Rewrite ${STAGES[step.kind]}`,
      onsubmit: (event) => event.preventDefault(),
      onkeydown: (event) => {
        if (event.key === "Escape") {
          event.stopPropagation();
          this.discard();
        }
      },
    }, ...fields, draft && h("p.hint", {}, "This is your unsaved text from before."), this.hints, this.problem,
    h("div.row", {}, this.main, this.only,
      h("button.btn", { type: "button", onclick: () => this.discard() }, "Discard")));
    requestAnimationFrame(() => {
      const first = this.areas[focus] || Object.values(this.areas)[0];
      // Whoever was quick enough to choose a field already keeps it: words must not land in another.
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
      description.value = follow(this.step.fields.instruction, instruction.value, this.step.fields.description);
    }
    this.changed();
  }

  changed() {
    drafts.set(this.draftKey, this.fields);
    this.force = false;
    const long = Object.values(this.areas).find((area) => [...area.value].length > LIMIT);
    setText(this.problem, long
      ? `This text has ${[...long.value].length.toLocaleString("en")} characters; a field holds ${LIMIT.toLocaleString("en")}. Shorten it to save; nothing is lost meanwhile.`
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
