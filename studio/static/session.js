// An open session: the list beside it, the timeline, the large view and the tree, and the line that says what goes on.

import { arrange, h, icon, setText } from "./dom.js";
import { MemoryChip } from "./memory.js";
import { ModeSwitch } from "./settings.js";
import { SessionList } from "./sessions.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Tree } from "./tree.js";
import { Model } from "./model.js";
import { DOING, clip, count, seconds } from "./words.js";
import { shortcuts } from "./dialogs.js";

export class SessionView {
  constructor(app) {
    this.app = app;
    this.list = new SessionList(app, "rows");
    this.stage = new Stage(app);
    this.tree = new Tree(app);
    this.mode = new ModeSwitch((mode) => app.setMode(mode));
    this.branches = h("select.chip.branch", { "aria-label": "Branch", onchange: () => app.travel(this.branches.value) });
    this.memory = new MemoryChip(() => app.memory());
    this.modelDot = h("i.dot", { "aria-hidden": "true" });
    this.modelLine = h("span.line");
    this.dot = h("i.dot", { "aria-hidden": "true" });
    this.status = h("span.saying", { dir: "auto" });
    this.go = h("button.btn", { type: "button", "data-do": "go" });
    this.go.addEventListener("click", () => this.action?.());
    const home = (event) => {
      event.preventDefault();
      app.open(null);
    };
    this.promptHome = h("div");
    this.timelineHome = h("div.timeline-home");
    this.treeButton = h("button.btn.phone-only", {
      type: "button", "aria-expanded": "false", onclick: () => {
        const open = this.look.classList.toggle("tree-open");
        this.treeButton.setAttribute("aria-expanded", open);
      },
    }, icon("tree"), "Branches");
    this.look = h("aside.look", { "aria-label": "Large view" }, this.stage.node, this.tree.node);
    this.stage.tools.prepend(this.treeButton);
    this.node = h("div.room", {},
      h("header.phone-top", {}, h("span.brand", {}, icon("stroke"), "Restroke"),
        app.stopLoading(), h("a.chip", { href: app.pageUrl(null), onclick: home }, "Sessions")),
      h("nav.side", { "aria-label": "Sessions" },
        h("a.brand", { href: app.pageUrl(null), onclick: home }, icon("stroke"), "Restroke"),
        h("a.new", { href: app.pageUrl(null), onclick: home }, icon("plus"), "New picture"),
        this.list.node,
        h("div.model", {}, this.modelDot, this.modelLine, app.stopLoading(),
          h("button.btn.quiet.only", { type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: shortcuts }, icon("help")))),
      this.work = h("section.work", { "aria-label": "Timeline" }, this.promptHome,
        h("div.bar", {}, this.branches, this.mode.node,
          h("button.chip", { type: "button", onclick: () => app.sessionSettings(), "data-do": "settings", "aria-label": "Settings", title: "Settings" },
            icon("gear"), h("span.label", {}, "Settings")),
          this.memory.node),
        this.timelineHome,
        h("div.status", {}, this.dot, this.status, this.go)),
      this.look);
  }

  /** A fresh timeline for a session that was just opened. */
  begin() {
    this.timeline = new Timeline(this.app);
    this.promptHome.replaceChildren(this.timeline.top);
    this.timelineHome.replaceChildren(this.timeline.node);
    this.tree.signature = null;
  }

  render() {
    const { app } = this, { model } = app;
    arrange(this.branches, model.branches.map((branch) => this.#option(branch)));
    this.branches.value = app.branch;
    this.mode.render(model.settings.mode);
    this.memory.render(model.inMind(app.branch), app.about.most_pictures);
    setText(this.modelLine, app.workerLine());
    this.modelDot.className = `dot ${{ loading: "busy", failed: "bad" }[app.worker.state] || ""}`;
    this.list.render();
    const scroller = this.#scroller(), live = model.liveOn(app.branch);
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 160;
    this.timeline.render();
    if (live ? atEnd || !this.followed : atEnd && this.followed) scroller.scrollTop = scroller.scrollHeight;
    this.followed = Boolean(live);
    this.stage.render();
    this.tree.render();
    this.#say();
  }

  /** What scrolls: the middle column, or on a phone the whole page. */
  #scroller() {
    return getComputedStyle(this.work).overflowY === "visible" ? this.node : this.work;
  }

  #option(branch) {
    this.options ??= new Map();
    if (!this.options.has(branch.id)) this.options.set(branch.id, h("option", { value: branch.id }));
    const option = this.options.get(branch.id);
    setText(option, clip(branch.name, 40));
    return option;
  }

  /** The line at the bottom: what goes on on this branch, and the one button that fits. */
  #say() {
    const { app } = this, { model } = app;
    const run = model.run(app.branch), live = model.liveOn(app.branch), place = model.place(run);
    const path = model.path(app.branch);
    const last = Model.rounds(path).at(-1) || 0;
    const round = Math.max(1, last + (live && Model.opensRound(live.kind, last) ? 1 : 0));
    const go = (label, action) => ({ label, run: action }), further = app.further();
    const state = run?.state || "none";
    const [text, button, tone] = {
      queued: () => [this.#waiting(place), go("Stop", () => app.stop()), "busy"],
      running: () => [`Round ${round} · ${DOING[live?.kind || place?.kind] || "thinking what comes next"} · your turn whenever you like: edit any card`, go("Stop", () => app.stop()), "busy"],
      paused: () => [run.cause || "Paused. It is your turn.", go("Continue", () => app.resume()), "yours"],
      done: () => [run.cause || "Finished.", further, "good"],
      failed: () => [run.cause, go("Try again", () => app.tryAgain()), "bad"],
      cancelled: () => [run.cause || "Stopped. Everything that was finished is kept.", go("Continue", () => app.resume()), "yours"],
      lost: () => [run.cause || "Restroke stopped while this was running. Everything that was finished is kept.", go("Resume", () => app.resume()), "bad"],
      none: () => ["Saved. Nothing has run from here yet.", further && go("Run from here", further.run), "yours"],
    }[state]();
    setText(this.status, text);
    this.go.hidden = !button;
    setText(this.go, button?.label || "");
    this.go.title = button?.title || "";
    this.action = button?.run;
    this.dot.className = `dot ${tone}`;
    this.node.dataset.state = state;
  }

  #waiting(place) {
    if (this.app.worker.state === "loading") return "Waiting for the model, which is being opened …";
    if (!place || place.position < 1) return "Next in line …";
    const wait = place.wait_seconds ? `, about ${seconds(place.wait_seconds)}` : "";
    return `Waiting: ${count(place.position, "step")} before yours${wait}.`;
  }
}
