// How a command is sent about the open session, and what a person does with one picture: ask, carry on from it.

import { Commands } from "./commands.js";
import { editMemory } from "./memory.js";

const DOWN = "Restroke isn't answering, so nothing was sent. Your text is kept; try again when it is back.";

export class PictureActions extends Commands {
  /** Sends a command about the open session; a refusal becomes a toast. Resolves with the reply or null. */
  async act(what, more = {}, { quietly = false } = {}) {
    const reply = await this.send(what, { sid: this.model?.sid, ...more }, this.up === false ? DOWN : null);
    if (!reply.ok && !quietly) this.toasts.show(reply.error, { bad: true });
    if (reply.ok && reply.branch) this.#arrive(reply);
    return reply.ok || quietly ? reply : null;
  }

  /** What the reply made is shown at once, unless the log was quicker: it may have told of later news since. */
  #arrive({ branch, made, step }) {
    for (const event of made || []) if (event.seq > this.link.seq) this.model.apply(event);
    this.travel(branch, { push: branch !== this.branch });
    if (step) this.focusCard(step, { go: true });
  }

  async carryOn(step) {
    if (await this.act("carry_on", { step: step.id })) this.toasts.show("On a branch of its own: the model now sees your words and this picture only.");
  }

  // Questions about a picture. Each resolves with null, or with the sentence to show beside the kept words.

  async ask(step, question) {
    const reply = await this.act("ask", { step: step.id, question }, { quietly: true });
    return reply.ok ? null : reply.error;
  }

  stopNote(note) {
    return this.act("stop_note", { note: note.id });
  }

  deleteNote(note) {
    return this.act("delete_note", { note: note.id });
  }

  async memory() {
    const kept = this.model.settings.keep_rejected;
    const wish = await editMemory({ pictures: this.model.inMind(this.branch), most: this.about.most_pictures, kept });
    if (wish !== null && wish !== kept) await this.act("settings", { settings: { ...this.model.settings, keep_rejected: wish }, seed: null });
  }
}
