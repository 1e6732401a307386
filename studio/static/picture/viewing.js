// What the large view shows: a chosen picture, or two of them under the slider.

import { choosePicture } from "../dialogs/dialog.js";

export class Viewing {
  constructor({ tab, addresses, redraw, toasts }) {
    Object.assign(this, { tab, addresses, redraw, toasts });
  }

  /** Shows a picture large. The newest of the branch is followed as new ones come. */
  look(stepId) {
    const newest = this.tab.path().findLast((step) => step.image);
    this.tab.chosen = newest?.id === stepId ? null : stepId;
    this.redraw.now();
  }

  compareWith(step) {
    const shown = this.tab.shownPicture();
    return shown && shown.id !== step.id ? this.#compare(step.id) : this.chooseOther();
  }

  async chooseOther() {
    const { session, branch, sid } = this.tab, shown = this.tab.shownPicture();
    const others = session.pictures().filter((step) => step.id !== shown?.id);
    if (!others.length) return this.toasts.show("There is only one picture so far.");
    const other = await choosePicture("Compare with …", others.map((step) => ({
      value: step.id, url: this.addresses.image(sid, step.image), label: session.pictureName(step, branch),
    })));
    return this.#compare(other || this.tab.compared);
  }

  #compare(stepId) {
    this.tab.compared = stepId;
    this.redraw.now();
  }

  endCompare() {
    this.#compare(null);
  }

  /** The picture before the shown one under the slider, or away with it. */
  toggleCompare() {
    if (this.tab.compared) return this.endCompare();
    const shown = this.tab.shownPicture();
    const before = shown && this.tab.session.pathTo(shown.id).filter((step) => step.image).at(-2);
    const other = before || this.tab.path().findLast((step) => step.image && step.id !== shown?.id);
    return other ? this.#compare(other.id) : this.chooseOther();
  }
}
