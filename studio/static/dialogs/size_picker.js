// Choosing the size of the first picture, among those that the model can draw.

import { h } from "../lib/dom.js";

const CUSTOM = "custom";
const TALLEST = 30; // pixels of the little frame that shows the shape

export class SizePicker {
  /** `sizes`: {shapes: [[height, width], …] the usual one first, unit, largest}. */
  constructor(sizes, { height, width }) {
    this.sizes = sizes;
    const chosen = height ? [height, width] : sizes.shapes[0];
    const at = sizes.shapes.findIndex(([h0, w0]) => h0 === chosen[0] && w0 === chosen[1]);
    const side = (label, value) => h("input.input", {
      type: "number", inputmode: "numeric", "aria-label": label, value, min: 4 * sizes.unit, max: sizes.largest, step: sizes.unit, required: true,
    });
    [this.wide, this.tall] = [side("Width in pixels", chosen[1]), side("Height in pixels", chosen[0])];
    this.custom = h("div.custom-size", {}, this.wide, "×", this.tall, h("small", {}, `Multiples of ${sizes.unit}, at most ${sizes.largest}.`));
    const tiles = sizes.shapes.map(([tall, wide], index) => this.#tile(String(index), index === at, `${wide} × ${tall}`, tall / wide));
    this.node = h("fieldset.sizes", { onchange: () => this.#show() }, h("legend", {}, "Picture size"),
      h("div.tiles", {}, ...tiles, this.#tile(CUSTOM, at < 0, "Custom …", null)), this.custom,
      h("small.info", {}, "For the first picture; the next ones keep its size. Smaller is faster."));
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
    const custom = this.#chosen === CUSTOM;
    this.custom.hidden = !custom;
    this.wide.disabled = this.tall.disabled = !custom; // what is not shown must not be asked for
  }

  /** {height, width}, both null for the usual size. */
  get value() {
    const chosen = this.#chosen;
    if (chosen === "0") return { height: null, width: null };
    if (chosen === CUSTOM) return { height: Number(this.tall.value), width: Number(this.wide.value) };
    const [height, width] = this.sizes.shapes[Number(chosen)];
    return { height, width };
  }
}
