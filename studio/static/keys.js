// The keyboard: j and k or arrows between cards, e edit, r run, s stop, c compare, ? help.

import { shortcuts } from "./dialogs.js";

export function listen(app) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    if (at.closest?.("textarea, input, select, dialog, [contenteditable]") || !app.model) {
      if (event.key === "?" && !at.closest?.("textarea, input, select, dialog")) shortcuts();
      return;
    }
    const action = {
      j: () => app.move(1), ArrowDown: () => app.move(1), k: () => app.move(-1), ArrowUp: () => app.move(-1),
      e: () => app.editFocused(), r: () => app.runFocused(), s: () => app.stop(), c: () => app.toggleCompare(), "?": shortcuts,
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
