// Choosing the size of the first picture, among those that the model can draw.

import { h } from "./dom.js";

const OWN = "own";
const TALLEST = 30; // pixels of the little frame that shows the shape

export class SizePicker {
  /** `canvas`: {shapes: [[height, width], …] the usual one first, unit, largest}. */
  constructor(canvas, { height, width }) {
    this.canvas = canvas;
    const chosen = height ? [height, width] : canvas.shapes[0];
    const at = canvas.shapes.findIndex(([h0, w0]) => h0 === chosen[0] && w0 === chosen[1]);
    const side = (label, value) => h("input.input", {
      type: "number", inputmode: "numeric", "aria-label": label, value, min: 4 * canvas.unit, max: canvas.largest, step: canvas.unit, required: true,
    });
    [this.wide, this.tall] = [side("Width in pixels", chosen[1]), side("Height in pixels", chosen[0])];
    this.own = h("div.own-size", {}, this.wide, "×", this.tall, h("small", {}, `Multiples of ${canvas.unit}, at most ${canvas.largest}.`));
    const tiles = canvas.shapes.map(([tall, wide], index) => this.#tile(String(index), index === at, `${wide} × ${tall}`, tall / wide));
    this.node = h("fieldset.sizes", { onchange: () => this.#show() }, h("legend", {}, "Size of the picture"),
      h("div.tiles", {}, ...tiles, this.#tile(OWN, at < 0, "Another …", null)), this.own,
      h("small.info", {}, "Of the first picture; the next ones keep its size. Smaller is faster."));
    this.#show();
  }

  #tile(value, checked, label, ratio) {
    const frame = ratio === null ? null : `width:${Math.round(ratio > 1 ? TALLEST / ratio : TALLEST)}px;height:${Math.round(ratio > 1 ? TALLEST : TALLEST * ratio)}px`;
    return h("label.tile", {}, h("input", { type: "radio", name: "size", value, checked }), h("span.shape", { style: frame, "aria-hidden": "true" }, ratio === null ? "?" : ""), label);
  }

  get #chosen() {
    return this.node.querySelector("input[name=size]:checked").value;
  }

  #show() {
    const own = this.#chosen === OWN;
    this.own.hidden = !own;
    this.wide.disabled = this.tall.disabled = !own; // what is not shown must not be asked for
  }

  /** {height, width}, both null for the usual size. */
  get value() {
    const chosen = this.#chosen;
    if (chosen === "0") return { height: null, width: null };
    if (chosen === OWN) return { height: Number(this.tall.value), width: Number(this.wide.value) };
    const [height, width] = this.canvas.shapes[Number(chosen)];
    return { height, width };
  }
}
