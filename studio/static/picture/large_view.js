// The large view: the chosen picture, or two of them under a slider.

import { h, icon, setText, swapPicture } from "../lib/dom.js";
import { POLISH, describe } from "../lib/words.js";

export class LargeView {
  constructor({ tab, addresses, steps, pictures, viewing }) {
    Object.assign(this, { tab, addresses, steps });
    const shown = () => tab.shownPicture();
    this.img = h("img.whole", { alt: "", draggable: "false" });
    this.over = h("img.half", { alt: "", draggable: "false" });
    this.knob = h("span.knob", { "aria-hidden": "true" }, h("span", {}, "⇔"));
    this.left = h("span.tag.left", { dir: "auto" });
    this.right = h("span.tag.right", { dir: "auto" });
    this.slider = h("input.slide", {
      type: "range", min: 0, max: 100, value: 50, step: 0.5, "aria-label": "Before and after: how much of the first picture is shown",
      oninput: () => this.#slide(),
    });
    this.empty = h("div.nothing", {}, icon("stroke"), h("p", {}, "The picture will appear here."));
    this.frame = h("div.large-view", {}, this.empty, this.img, this.over, this.knob, this.slider, this.left, this.right);
    const tool = (name, label, onclick, id) => h("button.btn", { type: "button", onclick, "data-do": id }, icon(name), label);
    this.compareButton = tool("compare", "Compare …", () => (tab.compared ? viewing.endCompare() : viewing.chooseOther()), "compare-with");
    this.paintButton = tool("brush", "Paint over", () => pictures.paint(shown()), "paint");
    this.replaceButton = tool("picture", "Replace", () => pictures.replace(shown()), "replace");
    this.polishButton = tool("polish", "Polish", () => steps.polish(shown()), "polish-it");
    this.polishButton.title = POLISH;
    this.downloadLink = h("a.btn", { download: "", "data-do": "download" }, icon("download"), "Download");
    this.tools = h("div.tools", {}, this.compareButton, this.paintButton, this.replaceButton, this.polishButton, this.downloadLink);
    this.node = h("div.large-view-box", {}, this.frame, this.tools);
    this.#slide();
  }

  #slide() {
    this.frame.style.setProperty("--cut", `${this.slider.value}%`);
  }

  render() {
    const { tab, addresses } = this, { session, sid, branch } = tab;
    const step = tab.shownPicture(), other = tab.compared && session.steps.get(tab.compared);
    const live = tab.followsDrawing ? session.liveOn(branch) : null;
    const wet = live?.preview ? addresses.of(live.preview) : null;
    const seen = wet || (step && addresses.image(sid, step.image));
    this.frame.classList.toggle("bare", !seen);
    this.frame.classList.toggle("comparing", Boolean(other));
    this.frame.classList.toggle("wet", Boolean(wet));
    if (seen) swapPicture(this.img, seen);
    else this.img.removeAttribute("src");
    if (wet) this.frame.style.setProperty("--wet", `${(5 * (1 - live.index / live.total)).toFixed(1)}px`);
    this.img.alt = step ? describe(step, session.pathTo(step.id)) : "";
    if (other) {
      swapPicture(this.over, addresses.image(sid, other.image));
      this.over.alt = describe(other, session.pathTo(other.id));
      setText(this.left, session.pictureName(other, branch));
      setText(this.right, wet ? "being drawn" : session.pictureName(step, branch));
    }
    setText(this.compareButton.lastChild, other ? "End compare" : "Compare …");
    for (const button of [this.compareButton, this.paintButton, this.replaceButton]) button.disabled = !step;
    this.polishButton.hidden = !step || this.steps.polishable()?.id !== step.id;
    if (step) {
      this.downloadLink.href = addresses.exported(sid, step.id);
      this.downloadLink.removeAttribute("aria-disabled");
    } else {
      this.downloadLink.removeAttribute("href");
      this.downloadLink.setAttribute("aria-disabled", "true");
    }
  }
}
