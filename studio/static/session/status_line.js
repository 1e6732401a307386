// The line at the bottom of the timeline: what goes on on this branch, and the one button that fits.

import { h, setText } from "../lib/dom.js";
import { DOING, count, seconds } from "../lib/words.js";

export class StatusLine {
  constructor({ tab, steps }) {
    Object.assign(this, { tab, steps });
    this.dot = h("i.dot", { "aria-hidden": "true" });
    this.text = h("span.saying", { dir: "auto" });
    this.button = h("button.btn", { type: "button", "data-do": "go", onclick: () => this.action?.() });
    this.node = h("div.status", {}, this.dot, this.text, this.button);
  }

  render() {
    const { tab: { session, branch }, steps } = this;
    const run = session.run(branch), live = session.liveOn(branch), position = session.position(run);
    const button = (label, action) => ({ label, run: action }), further = steps.further();
    const resume = (label) => button(label, () => steps.resume()), stop = button("Stop", () => steps.stop());
    const [text, go, tone] = {
      queued: () => [this.#waiting(position), stop, "busy"],
      running: () => [this.#doing(live, position), stop, "busy"],
      paused: () => [run.cause || "Paused. Your turn.", resume("Continue"), "yours"],
      done: () => [run.cause || "Finished.", further, "good"],
      failed: () => [run.cause, button("Try again", () => steps.tryAgain()), "bad"],
      cancelled: () => [run.cause || "Stopped. All finished steps are kept.", resume("Continue"), "yours"],
      lost: () => [run.cause || "Restroke stopped while this was running. All finished steps are kept.", resume("Resume"), "bad"],
      none: () => ["Saved. Nothing has run from here yet.", further && button("Run from here", further.run), "yours"],
    }[run?.state || "none"]();
    setText(this.text, text);
    this.button.hidden = !go;
    setText(this.button, go?.label || "");
    this.button.title = go?.title || "";
    this.action = go?.run;
    this.dot.className = `dot ${tone}`;
  }

  #doing(live, position) {
    const round = Math.max(1, live?.round ?? this.tab.path().at(-1)?.round ?? 0);
    return `Round ${round} · ${DOING[live?.kind || position?.kind] || "deciding what comes next"} · step in whenever you like: edit any card`;
  }

  #waiting(position) {
    if (this.tab.worker.state === "loading") return "Waiting for the model to load …";
    if (!position || position.position < 1) return "Next in line …";
    const wait = position.wait_seconds ? `, about ${seconds(position.wait_seconds)}` : "";
    return `Waiting: ${count(position.position, "step")} before yours${wait}.`;
  }
}
