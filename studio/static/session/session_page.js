// An open session: the list beside it, the timeline, the large view and the tree, and the line that says what goes on.

import { showKeys } from "../dialogs/keys.js";
import { StopLoading, modelLine } from "../home/model_status.js";
import { SessionList } from "../home/session_list.js";
import { h, icon, setText } from "../lib/dom.js";
import { LargeView } from "../picture/large_view.js";
import { Timeline } from "../timeline/timeline.js";
import { BranchTree } from "../tree/branch_tree.js";
import { SessionBar } from "./session_bar.js";
import { StatusLine } from "./status_line.js";

export class SessionPage {
  /** `parts`: what the app is made of; the views take from it what they need. */
  constructor(parts) {
    const { tab, addresses, navigation } = parts;
    Object.assign(this, { tab, parts });
    this.list = new SessionList(parts, "rows");
    this.largeView = new LargeView(parts);
    this.tree = new BranchTree(parts);
    this.bar = new SessionBar(parts);
    this.status = new StatusLine(parts);
    this.stopButtons = [new StopLoading(parts), new StopLoading(parts)];
    this.modelDot = h("i.dot", { "aria-hidden": "true" });
    this.modelLine = h("span.line");
    const home = (event) => {
      event.preventDefault();
      navigation.open(null);
    };
    this.promptHome = h("div");
    this.timelineHome = h("div.timeline-home");
    this.treeButton = h("button.btn.phone-only", {
      type: "button", "aria-expanded": "false", onclick: () => {
        const open = this.side.classList.toggle("tree-open");
        this.treeButton.setAttribute("aria-expanded", open);
      },
    }, icon("tree"), "Branches");
    this.largeView.tools.prepend(this.treeButton);
    this.side = h("aside.look", { "aria-label": "Large view" }, this.largeView.node, this.tree.node);
    this.work = h("section.work", { "aria-label": "Timeline" }, this.promptHome, this.bar.node, this.timelineHome, this.status.node);
    this.node = h("div.room", {},
      h("header.phone-top", {}, h("span.brand", {}, icon("stroke"), "Restroke"),
        this.stopButtons[0].node, h("a.chip", { href: addresses.page(null), onclick: home }, "Sessions")),
      h("nav.side", { "aria-label": "Sessions" },
        h("a.brand", { href: addresses.page(null), onclick: home }, icon("stroke"), "Restroke"),
        h("a.new", { href: addresses.page(null), onclick: home }, icon("plus"), "New picture"),
        this.list.node,
        h("div.model", {}, this.modelDot, this.modelLine, this.stopButtons[1].node,
          h("button.btn.quiet.only", { type: "button", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)", onclick: showKeys }, icon("help")))),
      this.work, this.side);
  }

  /** A fresh timeline for a session that was just opened. */
  begin() {
    this.timeline = new Timeline(this.parts);
    this.promptHome.replaceChildren(this.timeline.top);
    this.timelineHome.replaceChildren(this.timeline.node);
    this.tree.forget();
  }

  /** To the first card, for a person who just came here. */
  focus() {
    this.timeline.top.firstElementChild.focus({ preventScroll: true });
  }

  render() {
    const { tab } = this;
    this.bar.render();
    setText(this.modelLine, modelLine(tab));
    this.modelDot.className = `dot ${{ loading: "busy", failed: "bad" }[tab.worker.state] || ""}`;
    for (const button of this.stopButtons) button.render();
    this.list.render();
    this.#renderTimeline();
    this.largeView.render();
    this.tree.render();
    this.status.render();
  }

  /** Who is at the end of the timeline stays there while something is being made. */
  #renderTimeline() {
    const scroller = this.#scroller(), live = Boolean(this.tab.session.liveOn(this.tab.branch));
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 160;
    this.timeline.render();
    if (live ? atEnd || !this.wasLive : atEnd && this.wasLive) scroller.scrollTop = scroller.scrollHeight;
    this.wasLive = live;
  }

  /** What scrolls: the middle column, or on a phone the whole page. */
  #scroller() {
    return getComputedStyle(this.work).overflowY === "visible" ? this.node : this.work;
  }
}
