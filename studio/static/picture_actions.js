// How a command is sent about the open session, and what a person does with one picture: paint over it, replace it, ask, carry on from it.

import { Commands } from "./commands.js";
import { askYes } from "./dialogs.js";
import { editMemory } from "./memory.js";
import { paintOver } from "./paint.js";

const DOWN = "Restroke isn't answering, so nothing was sent. Your text is kept; try again when it is back.";

export class PictureActions extends Commands {
  /** Sends a command about the open session; a refusal becomes a toast. Resolves with the reply or null. */
  async act(what, more = {}, { quietly = false } = {}) {
    const wish = { sid: this.model?.sid, ...more };
    const reply = await this.send(what, wish, this.up === false ? DOWN : null);
    if (!reply.ok && !quietly) this.toasts.show(reply.error, { bad: true });
    if (reply.ok && reply.branch && this.model?.sid === wish.sid) this.#arrive(reply); // else another one was opened meanwhile
    return reply.ok || quietly ? reply : null;
  }

  /** What the reply made is shown at once, unless the log was quicker: it may have told of later news since. */
  #arrive({ branch, made, step }) {
    for (const event of made || []) if (event.seq > this.link.seq) this.model.apply(event);
    this.travel(branch, { push: branch !== this.branch });
    if (step) this.focusCard(step, { go: true });
  }

  /** The dialog stays until the painting has arrived, so nothing of it is lost when that fails. */
  async paint(step) {
    if (!step) return;
    const { sid } = this.model;
    const done = await paintOver(this.imageUrl(step.image), (painting) => this.#putPicture(sid, step, painting));
    if (done && this.model?.sid === sid) this.focusCard(done.step, { go: true });
  }

  replace(step) {
    if (!step) return;
    const { sid } = this.model;
    const picker = Object.assign(document.createElement("input"), { type: "file", accept: "image/*" });
    picker.dataset.picker = "replace";
    picker.onchange = () => this.#replaceWith(sid, step, picker.files[0]);
    picker.hidden = true;
    this.node.append(picker);
    picker.click();
    window.addEventListener("focus", () => setTimeout(() => picker.remove(), 60000), { once: true });
  }

  async #replaceWith(sid, step, blob) {
    if (!blob) return;
    const run = await askYes("Use this picture?", "It takes the place of the picture on a new branch, and the model goes on from it.", "Use it and run from here");
    if (!run) return;
    const reply = await this.#putPicture(sid, step, { blob, run });
    if (!reply.ok) this.toasts.show(reply.error, { bad: true });
  }

  /** Puts a picture in the place of a step's, in the session it was made for, whatever is open by then. `dropped()`: not any more. */
  async #putPicture(sid, step, { blob, run, dropped }) {
    const kept = await this.upload(`studio/${sid}/upload?step=${step.id}`, blob);
    if (!kept.ok || dropped?.()) return kept;
    const reply = await this.act("replace", { sid, step: step.id, upload: kept.upload, run }, { quietly: true });
    if (reply.ok && kept.remark) this.toasts.show(kept.remark);
    if (reply.ok && this.model?.sid !== sid) {
      this.toasts.show("Your picture is on a branch of its own in the session it belongs to.", {
        action: "Open it", onAction: () => this.open(sid, { branch: reply.branch }),
      });
    }
    return reply;
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
    const { sid, settings: { keep_rejected: kept } } = this.model;
    const wish = await editMemory({ pictures: this.model.inMind(this.branch), most: this.about.most_pictures, kept });
    if (wish !== null && wish !== kept) await this.act("settings", { sid, settings: { keep_rejected: wish }, seed: null });
  }
}
