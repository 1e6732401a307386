// The card of the step that is being made now.

import { h, icon, setText, swapPicture } from "../lib/dom.js";
import { STEP_NAMES, hue, isPicture, seconds } from "../lib/words.js";

export class LiveCard {
  constructor({ addresses, steps }) {
    Object.assign(this, { addresses, steps });
    this.node = h("article.card.live", { tabindex: -1, "data-live": true });
    this.kind = null;
  }

  update({ live, eta }) {
    if (this.kind !== live.kind) {
      this.kind = live.kind;
      this.node.setAttribute("style", `--c:var(--${hue(live.kind)})`);
      this.node.setAttribute("aria-label", `${STEP_NAMES[live.kind]}, in progress`);
      this.meta = h("span.meta");
      this.left = h("p.info");
      const head = h("header.head", {}, h("h3", {}, STEP_NAMES[live.kind]),
        h("span.who", {}, isPicture(live.kind) ? "drawing …" : "writing …"), this.meta);
      const stop = h("button.btn", { type: "button", onclick: () => this.steps.stop(), "data-do": "stop" }, icon("stop"), "Stop");
      if (isPicture(live.kind)) {
        this.img = h("img", { alt: "", draggable: "false" });
        this.bar = h("i");
        this.node.replaceChildren(h("div.draw", {}, h("span.pic.wet", {}, this.img), h("div", {}, head,
          h("div.prog", { role: "progressbar", "aria-label": "Progress of the picture", "aria-valuemin": 0, "aria-valuemax": 100 }, this.bar),
          this.left), h("div.row", {}, stop)));
      } else {
        this.text = h("div.text.streaming", { dir: "auto" });
        this.node.replaceChildren(head, this.text, this.left, h("div.row", {}, stop));
      }
    }
    setText(this.left, eta ? `about ${seconds(eta)} left` : "");
    if (isPicture(live.kind)) {
      if (live.preview) swapPicture(this.img, this.addresses.of(live.preview));
      const share = live.total ? (100 * live.index) / live.total : 0;
      this.bar.style.width = `${share}%`;
      this.bar.parentNode.setAttribute("aria-valuenow", Math.round(share));
      setText(this.meta, live.total ? `${live.index} / ${live.total}` : "");
      this.node.querySelector(".pic").style.setProperty("--wet", `${(3 * (1 - share / 100)).toFixed(1)}px`);
    } else {
      setText(this.text, live.text.replace(/<[/\\]?\w*>?/g, " ").replace(/^#+ */gm, "").trim());
    }
  }
}
