// The large view: the chosen picture, or two of them under a slider.

import { POLISH } from "./cards.js";
import { h, icon, setText, swapPicture } from "./dom.js";
import { describe } from "./words.js";

export class Stage {
  constructor(app) {
    this.app = app;
    this.img = h("img.whole", { alt: "", draggable: "false" });
    this.over = h("img.half", { alt: "", draggable: "false" });
    this.knob = h("span.knob", { "aria-hidden": "true" }, h("span", {}, "⇔"));
    this.left = h("span.tag.left", { dir: "auto" });
    this.right = h("span.tag.right", { dir: "auto" });
    this.slider = h("input.slide", {
      type: "range", min: 0, max: 100, value: 50, step: 0.5, "aria-label": "Before and after: how much of the first picture is shown",
      oninput: () => this.#slide(),
    });
    this.empty = h("div.nothing", {}, icon("stroke"), h("p", {}, "The picture appears here."));
    this.frame = h("div.stage", {}, this.empty, this.img, this.over, this.knob, this.slider, this.left, this.right);
    const tool = (name, label, onclick, id) => h("button.btn", { type: "button", onclick, "data-do": id }, icon(name), label);
    this.compareButton = tool("compare", "Compare …", () => (app.other ? app.endCompare() : app.chooseOther()), "compare-with");
    this.paintButton = tool("brush", "Paint over", () => app.paint(app.shown()), "paint");
    this.replaceButton = tool("picture", "Replace", () => app.replace(app.shown()), "replace");
    this.polishButton = tool("polish", "Polish", () => app.polish(app.shown()), "polish-it");
    this.polishButton.title = POLISH;
    this.downloadLink = h("a.btn", { download: "", "data-do": "download" }, icon("download"), "Download");
    this.tools = h("div.tools", {}, this.compareButton, this.paintButton, this.replaceButton, this.polishButton, this.downloadLink);
    this.node = h("div.stage-box", {}, this.frame, this.tools);
    this.#slide();
  }

  #slide() {
    this.frame.style.setProperty("--cut", `${this.slider.value}%`);
  }

  render() {
    const { app } = this, { model } = app;
    const step = app.shown(), other = app.other && model.steps.get(app.other);
    const live = app.follows ? model.liveOn(app.branch) : null;
    const wet = live?.preview ? app.url(live.preview) : null;
    const seen = wet || (step && app.imageUrl(step.image));
    this.frame.classList.toggle("bare", !seen);
    this.frame.classList.toggle("comparing", Boolean(other));
    this.frame.classList.toggle("wet", Boolean(wet));
    if (seen) swapPicture(this.img, seen);
    else this.img.removeAttribute("src");
    if (wet) this.frame.style.setProperty("--wet", `${(5 * (1 - live.index / live.total)).toFixed(1)}px`);
    this.img.alt = step ? describe(step, model.pathTo(step.id)) : "";
    if (other) {
      swapPicture(this.over, app.imageUrl(other.image));
      this.over.alt = describe(other, model.pathTo(other.id));
      setText(this.left, model.pictureName(other, app.branch));
      setText(this.right, wet ? "being drawn" : model.pictureName(step, app.branch));
    }
    setText(this.compareButton.lastChild, other ? "End compare" : "Compare …");
    for (const button of [this.compareButton, this.paintButton, this.replaceButton]) button.disabled = !step;
    this.polishButton.hidden = !step || app.polishable()?.id !== step.id;
    if (step) {
      this.downloadLink.href = app.exportUrl(step.id);
      this.downloadLink.removeAttribute("aria-disabled");
    } else {
      this.downloadLink.removeAttribute("href");
      this.downloadLink.setAttribute("aria-disabled", "true");
    }
  }
}
