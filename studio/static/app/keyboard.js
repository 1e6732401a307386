// The keyboard: j and k or arrows between cards, e edit, r run, s stop, c compare, ? help.

import { showKeys } from "../dialogs/keys.js";

export function listenToKeys({ tab, focus, steps, viewing }) {
  const runFocused = () => {
    const card = focus.card();
    if (card) steps.runFrom(card.step);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    if (at.closest?.("textarea, input, select, dialog, [contenteditable]") || !tab.session) {
      if (event.key === "?" && !at.closest?.("textarea, input, select, dialog")) showKeys();
      return;
    }
    const action = {
      j: () => focus.move(1), ArrowDown: () => focus.move(1), k: () => focus.move(-1), ArrowUp: () => focus.move(-1),
      e: () => focus.card()?.edit(), r: runFocused, s: () => steps.stop(), c: () => viewing.toggleCompare(), "?": showKeys,
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
