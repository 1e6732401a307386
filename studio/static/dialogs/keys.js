// What the keys do.

import { h } from "../lib/dom.js";
import { openDialog } from "./dialog.js";

const KEYS = [["j ↓", "next card"], ["k ↑", "previous card"], ["e", "edit this card"], ["r", "run from this card"],
  ["s", "stop"], ["c", "compare with the picture before"], ["Ctrl Enter", "save and run, while editing"],
  ["Esc", "leave a field or a dialog"], ["?", "this help"]];

export function showKeys() {
  return openDialog("Keyboard shortcuts", () => [h("dl.keys", {}, ...KEYS.flatMap(([key, does]) => [
    h("dt", {}, ...key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, does)]))]);
}
