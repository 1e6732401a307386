// The picture that a new session starts from: chosen on the first page, shown there until the session begins.

import { h, icon, setText } from "../lib/dom.js";

export class StartPicture {
  /**
   * `say` shows a sentence about what went wrong, "" when it is over.
   * `arriving` promises whether the file on its way is kept; null when none is on its way.
   */
  constructor(client, say) {
    Object.assign(this, { client, say, upload: null, arriving: null });
    this.picker = h("input", {
      type: "file", accept: "image/*", class: "unseen", "aria-label": "A picture to start from", "data-picker": "start",
      onchange: () => this.#arrive(this.picker.files[0]),
    });
    this.button = h("label.btn.file", { title: "The model continues from your picture, following your words" }, icon("picture"), "Start from a picture", this.picker);
    this.img = h("img", { alt: "The picture to start from" });
    this.remark = h("span.info");
    this.shown = h("div.starting", { hidden: true }, this.img,
      h("div", {}, h("b", {}, "Starts from this picture"), this.remark),
      h("button.btn.quiet.only", { type: "button", "aria-label": "Start without this picture", onclick: () => this.drop() }, icon("close")));
  }

  async #arrive(file) {
    if (!file) return;
    const arriving = (this.arriving = this.#take(file));
    await arriving;
    if (this.arriving === arriving) this.arriving = null;
    this.picker.value = "";
  }

  /** Whether the picture was kept; why not is said. */
  async #take(file) {
    this.say("");
    const kept = await this.client.upload("studio/home/start", file);
    if (!kept.ok) {
      this.say(kept.error);
      return false;
    }
    this.drop();
    this.upload = kept.upload;
    this.img.src = URL.createObjectURL(file);
    setText(this.remark, kept.remark || "Your words say what to make of it.");
    this.shown.hidden = false;
    return true;
  }

  drop() {
    if (this.img.src) URL.revokeObjectURL(this.img.src);
    this.img.removeAttribute("src");
    this.upload = null;
    this.shown.hidden = true;
  }
}
