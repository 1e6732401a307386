// What the model has in mind: how many pictures it still sees, and whether rejected sketches are among them.

import { openDialog } from "./dialogs.js";
import { h, icon, setText } from "./dom.js";
import { count } from "./words.js";

export class MemoryChip {
  constructor(onOpen) {
    this.text = h("span");
    this.fill = h("i");
    this.node = h("button.chip.mind", {
      type: "button", onclick: onOpen, "data-do": "memory",
    }, icon("mind"), this.text, h("span.level", { "aria-hidden": "true" }, this.fill));
  }

  render(pictures, most) {
    this.node.hidden = !pictures;
    setText(this.text, `${pictures} of ${most}`);
    const whole = `The model has ${count(pictures, "picture")} in mind, of at most ${most}`;
    this.node.title = whole;
    this.node.setAttribute("aria-label", whole);
    this.fill.style.width = `${Math.min(100, (100 * pictures) / most)}%`;
    this.node.classList.toggle("full", pictures > 0.75 * most);
  }
}

/** Resolves with whether rejected sketches are kept in mind, or null. */
export function editMemory({ pictures, most, kept }) {
  return openDialog("What the model has in mind", (close) => {
    const box = h("input", { type: "checkbox", checked: kept, "data-field": "keep_rejected" });
    return [
      h("p", {}, `It sees your words, ${count(pictures, "picture")} and the texts of this branch. It is shown at most ${most} pictures at once on this computer: when there are more, the oldest rounds leave its mind first. Nothing is deleted: every card stays here.`),
      h("label.option", {}, box, h("span", {}, h("b", {}, "Keep rejected sketches in mind"),
        h("small", {}, "Sketches of earlier rounds that were drawn again. Off: only what was accepted, and the last round."))),
      h("p.info", {}, "To go on with a fresh mind, choose “Start afresh from this” on any picture."),
      h("div.row.end", {}, h("button.btn", { type: "button", onclick: () => close() }, "Cancel"),
        h("button.btn.main", { type: "button", onclick: () => close(box.checked) }, "Save"))];
  });
}
