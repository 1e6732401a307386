// The keyboard: j and k or arrows between cards, e edit, r run, s stop, c compare, ? help.

import { openDialog } from "../dialogs/dialog.js";
import { h } from "../lib/dom.js";

const KEYS = [["j ↓", "next card"], ["k ↑", "previous card"], ["e", "edit this card"], ["r", "run from this card"],
  ["s", "stop"], ["c", "compare with the picture before"], ["Ctrl Enter", "save and run, while editing"],
  ["Esc", "leave a field or a dialog"], ["?", "this help"]];

export function showKeys() {
  return openDialog("Keyboard shortcuts", () => [h("dl.keys", {}, ...KEYS.flatMap(([key, does]) => [
    h("dt", {}, ...key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, does)]))]);
}

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
