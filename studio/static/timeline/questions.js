// Questions about one picture and the model's answers, below its card. They change no step.

import { arrange, h, icon, setText } from "../lib/dom.js";
import { drafts } from "../lib/drafts.js";
import { seconds } from "../lib/words.js";
import { isUnderWay } from "../state/session_model.js";

const LONGEST = 600;
const SAYING = { queued: "Waiting for the current step to finish …", running: "The model is looking at the picture …", cancelled: "Stopped." };

export class Questions {
  constructor(step, { tab, commands, onClose }) {
    Object.assign(this, { step, tab, commands, onClose, rows: new Map(), form: null, key: `${tab.sid}:ask ${step.id}` });
    this.list = h("ul.answers", { "aria-label": "Questions about this picture" });
    this.formHome = h("div");
    this.node = h("div.questions", { hidden: true }, this.list, this.formHome);
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
      }, this.limits = h("p.info", {}, "This model has only learned to inspect: it says what it sees in the picture, whatever you ask."),
      this.field, this.button, h("button.btn", { type: "button", onclick: () => this.#close() }, "Cancel"), this.problem);
      this.formHome.replaceChildren(this.form);
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
    const reply = await this.commands.send("ask", { step: this.step.id, question: this.field.value }, { quietly: true });
    this.button.disabled = this.field.readOnly = false;
    setText(this.problem, reply.ok ? "" : reply.error);
    if (reply.ok) this.#close();
  }

  #close() {
    drafts.drop(this.key);
    this.form = null;
    this.formHome.replaceChildren();
    this.render();
    this.onClose();
  }

  /** What the model can't do is known only once it is there. */
  #warn() {
    const { answers, protocols } = this.tab.about;
    this.limits.hidden = answers || !protocols.length;
  }

  render() {
    if (this.form) this.#warn();
    const notes = this.tab.session.notesOf(this.step.id);
    arrange(this.list, notes.map((note) => this.#row(note)));
    this.node.hidden = !notes.length && !this.form;
  }

  #row(note) {
    if (!this.rows.has(note.id)) this.rows.set(note.id, this.#newRow());
    const row = this.rows.get(note.id), busy = isUnderWay(note);
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
        type: "button", "data-do": "note", onclick: () => this.commands.send(isUnderWay(row.note) ? "stop_note" : "delete_note", { note: row.note.id }),
      }, icon("close")),
    };
    row.node = h("li.question-row", {}, h("div.question-head", {}, row.question, row.time, row.button), row.answer, row.next);
    return row;
  }
}
