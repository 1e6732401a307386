// What a person does with a picture: paint over it, replace it, or make a fresh start from it.

import { askYes } from "../dialogs/dialog.js";
import { paintOver } from "./paint_over.js";

export class PictureActions {
  constructor({ tab, client, commands, addresses, navigation, focus, toasts }) {
    Object.assign(this, { tab, client, commands, addresses, navigation, focus, toasts });
  }

  /** The dialog stays until the painting has arrived, so nothing of it is lost when that fails. */
  async paint(step) {
    if (!step) return;
    const { sid } = this.tab;
    const done = await paintOver(this.addresses.image(sid, step.image), (painting) => this.#putPicture(sid, step, painting));
    if (done && this.tab.sid === sid) this.focus.reveal(done.step);
  }

  replace(step) {
    if (!step) return;
    const { sid } = this.tab;
    const picker = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", hidden: true });
    picker.dataset.picker = "replace";
    picker.onchange = () => this.#replaceWith(sid, step, picker.files[0]);
    document.body.append(picker);
    picker.click();
    window.addEventListener("focus", () => setTimeout(() => picker.remove(), 60000), { once: true });
  }

  async #replaceWith(sid, step, blob) {
    if (!blob) return;
    const run = await askYes("Use this picture?", "It replaces the picture on a new branch, and the model continues from it.", "Use it and run from here");
    if (!run) return;
    const reply = await this.#putPicture(sid, step, { blob, run });
    if (!reply.ok) this.toasts.show(reply.error, { bad: true });
  }

  /** Puts a picture in the place of a step's, in the session it was made for, whatever is open by then. `dropped()`: not any more. */
  async #putPicture(sid, step, { blob, run, dropped }) {
    const kept = await this.client.upload(`studio/${sid}/upload?step=${step.id}`, blob);
    if (!kept.ok || dropped?.()) return kept;
    const reply = await this.commands.send("replace", { sid, step: step.id, upload: kept.upload, run }, { quietly: true });
    if (reply.ok && kept.remark) this.toasts.show(kept.remark);
    if (reply.ok && this.tab.sid !== sid) {
      this.toasts.show("Your picture is on its own branch, in the session it belongs to.", {
        action: "Open it", onAction: () => this.navigation.open(sid, { branch: reply.branch }),
      });
    }
    return reply;
  }

  async freshStart(step) {
    if (await this.commands.send("fresh_start", { step: step.id })) this.toasts.show("On its own branch: the model now sees only your words and this picture.");
  }
}
