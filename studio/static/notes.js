// Questions about one picture and the model's answers, below its card. They change no step.

import { drafts } from "./drafts.js";
import { arrange, h, icon, setText } from "./dom.js";
import { seconds } from "./words.js";

const LONGEST = 600;
const SAYING = { queued: "The question waits for the step under way …", running: "The model looks at the picture …", cancelled: "Stopped." };

export class Notes {
  constructor(step, app) {
    Object.assign(this, { step, app, rows: new Map(), form: null, key: `${app.model.sid}:ask ${step.id}` });
    this.list = h("ul.answers", { "aria-label": "Questions about this picture" });
    this.place = h("div");
    this.node = h("div.notes", { hidden: true }, this.list, this.place);
    if (drafts.get(this.key)) this.ask(null);
  }

  /** Opens the field for a question. `focus`: null when it opens by itself. */
  ask(focus = true) {
    if (!this.form) {
      this.field = h("input.input", {
        type: "text", dir: "auto", maxlength: LONGEST, placeholder: "How many trees are there?", "aria-label": "Your question about this picture",
        value: drafts.get(this.key) || "", oninput: () => drafts.set(this.key, this.field.value),
      });
      this.problem = h("p.problem", { role: "alert" });
      this.button = h("button.btn.main", { type: "submit" }, "Ask");
      this.form = h("form.asking", {
        onsubmit: (event) => {
          event.preventDefault();
          this.#send();
        },
        onkeydown: (event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          this.#close();
        },
      }, this.limits = h("p.info", {}, "This model has only learned to inspect: it says what it makes of the picture, whatever you ask."),
      this.field, this.button, h("button.btn", { type: "button", onclick: () => this.#close() }, "Cancel"), this.problem);
      this.place.replaceChildren(this.form);
      this.#warn();
      this.node.hidden = false;
    }
    if (focus) this.field.focus();
  }

  async #send() {
    if (this.button.disabled) return;
    if (!this.field.value.trim()) {
      setText(this.problem, "Write what you want to know about this picture.");
      return;
    }
    this.button.disabled = this.field.readOnly = true;
    const problem = await this.app.ask(this.step, this.field.value);
    this.button.disabled = this.field.readOnly = false;
    setText(this.problem, problem || "");
    if (!problem) this.#close();
  }

  #close() {
    drafts.drop(this.key);
    this.form = null;
    this.place.replaceChildren();
    this.render();
    this.app.session.timeline.card(this.step.id)?.node.focus({ preventScroll: true });
  }

  /** What the model can't do is known only once it is there. */
  #warn() {
    const { answers, protocols } = this.app.about;
    this.limits.hidden = answers || !protocols.length;
  }

  render() {
    if (this.form) this.#warn();
    const notes = this.app.model.notesOf(this.step.id);
    arrange(this.list, notes.map((note) => this.#row(note)));
    this.node.hidden = !notes.length && !this.form;
  }

  #row(note) {
    if (!this.rows.has(note.id)) this.rows.set(note.id, this.#newRow());
    const row = this.rows.get(note.id), busy = ["queued", "running"].includes(note.state);
    row.note = note;
    setText(row.question, note.question);
    setText(row.answer, note.answer || SAYING[note.state] || note.cause);
    setText(row.next, note.answer ? "" : note.next_action);
    setText(row.time, note.seconds === null ? "" : seconds(note.seconds));
    row.answer.classList.toggle("streaming", note.state === "running");
    row.answer.classList.toggle("info", !note.answer);
    const label = busy ? "Stop this question" : "Remove this question and its answer";
    row.button.setAttribute("aria-label", label);
    row.button.title = label;
    row.node.dataset.state = note.state;
    return row.node;
  }

  #newRow() {
    const row = {
      question: h("p.question", { dir: "auto" }), answer: h("p.text", { dir: "auto", "aria-live": "polite" }), next: h("p.info"), time: h("span.meta"),
      button: h("button.btn.quiet.only", {
        type: "button", "data-do": "note", onclick: () => (["queued", "running"].includes(row.note.state) ? this.app.stopNote(row.note) : this.app.deleteNote(row.note)),
      }, icon("close")),
    };
    row.node = h("li.note-row", {}, h("div.note-head", {}, row.question, row.time, row.button), row.answer, row.next);
    return row;
  }
}
