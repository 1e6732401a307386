// What the model sees of a branch, and whether rejected sketches are part of it.

import { h } from "../lib/dom.js";
import { count } from "../lib/words.js";
import { openDialog } from "./dialog.js";

/** Resolves with whether rejected sketches are kept in the history, or null. */
export function editHistory({ pictures, most, kept }) {
  return openDialog("What the model sees", (close) => {
    const box = h("input", { type: "checkbox", checked: kept, "data-field": "keep_rejected" });
    return [
      h("p", {}, `It sees your words, ${count(pictures, "picture")} and the texts of this branch. On this computer it is shown at most ${most} pictures at once: when there are more, the oldest rounds are left out first. Nothing is deleted: every card stays here.`),
      h("label.option", {}, box, h("span", {}, h("b", {}, "Show it rejected sketches too"),
        h("small", {}, "Sketches from earlier rounds that were redrawn. Off: only what was accepted, and the last round."))),
      h("p.info", {}, "To continue without what came before, choose “Start fresh from this” on any picture."),
      h("div.row.end", {}, h("button.btn", { type: "button", onclick: () => close() }, "Cancel"),
        h("button.btn.main", { type: "button", onclick: () => close(box.checked) }, "Save"))];
  });
}
