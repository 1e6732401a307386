// The branch tree as a small map: a lane for every branch, a dot for every step, click to travel.

import { arrange, h, s } from "../lib/dom.js";
import { STEP_NAMES, clip, hue } from "../lib/words.js";

const X = 26, Y = 36, LEFT = 18, TOP = 18;

/** Places every step once, in the lane of the oldest branch that holds it. */
function layout(session) {
  const spots = new Map(), lanes = [];
  for (const branch of session.branches) {
    const path = session.pathTo(branch.tip);
    const own = path.filter((step) => !spots.has(step.id));
    const lane = lanes.length;
    path.forEach((step, depth) => {
      if (!spots.has(step.id)) spots.set(step.id, { step, depth, lane, branch });
    });
    lanes.push({ branch, lane, own: own.length, fork: path[path.length - own.length - 1] || null, depth: path.length - 1 });
  }
  return { spots, lanes };
}

export class BranchTree {
  constructor({ tab, navigation, focus, settings }) {
    Object.assign(this, { tab, navigation, focus, drawn: null });
    this.svg = s("svg", { role: "group", "aria-label": "Tree of branches" });
    this.scroller = h("div.tree-scroll", {}, this.svg);
    this.node = h("section.tree", { "aria-label": "Branches" },
      h("div.tree-head", {}, h("h2", {}, "Branches"),
        h("button.link", { type: "button", onclick: () => settings.renameBranch() }, "Rename this one")),
      this.scroller);
  }

  /** Draws it anew next time, whatever it shows now. */
  forget() {
    this.drawn = null;
  }

  render() {
    const { session, branch: open, focused } = this.tab;
    const { spots, lanes } = layout(session);
    const here = new Set(this.tab.path().map((step) => step.id));
    const signature = JSON.stringify([lanes.map((l) => [l.branch.id, l.branch.name, l.branch.tip]), open, focused,
      session.branches.map((b) => Boolean(session.liveOn(b.id)))]);
    if (signature === this.drawn) return;
    this.drawn = signature;
    const x = (depth) => LEFT + depth * X, y = (lane) => TOP + lane * Y;
    const lines = s("g", { class: "lines" }), dots = s("g"), names = s("g", { class: "names" });
    for (const { step, depth, lane } of spots.values()) {
      const from = spots.get(step.parent);
      if (from) lines.append(this.#line(x(from.depth), y(from.lane), x(depth), y(lane), here.has(step.id)));
      dots.append(this.#dot(step, x(depth), y(lane), here.has(step.id)));
    }
    let width = 0;
    for (const { branch, lane, own, fork, depth } of lanes) {
      const mine = branch.id === open;
      let end = x(depth);
      if (!own && fork) {
        end = x(depth + 1);
        const from = spots.get(fork.id);
        lines.append(this.#line(x(from.depth), y(from.lane), end, y(lane), mine, true));
        dots.append(s("circle", { cx: end, cy: y(lane), r: 5, class: "empty" }));
      }
      const live = session.liveOn(branch.id);
      if (live) {
        lines.append(this.#line(end, y(lane), end + X, y(lane), mine, true));
        dots.append(s("circle", { cx: end + X, cy: y(lane), r: 6, class: "growing", style: `--c:var(--${hue(live.kind)})` }));
        end += X;
      }
      const name = clip(branch.name, 26) + (mine ? " · here" : "");
      const label = s("text", {
        x: end + 14, y: y(lane) + 4.5, class: mine ? "mine" : "", tabindex: 0, role: "button",
        "aria-current": mine ? "true" : null,
        onclick: () => this.navigation.travel(branch.id), onkeydown: (event) => this.#press(event, () => this.navigation.travel(branch.id)),
      });
      label.textContent = name;
      names.append(label);
      width = Math.max(width, end + 26 + name.length * 7.2);
    }
    arrange(this.svg, [lines, dots, names]);
    const height = y(lanes.length - 1) + 20;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.width = `${width}px`;
    this.svg.style.height = `${height}px`;
    const tip = spots.get(this.tab.tip);
    if (tip) {
      const wanted = x(tip.depth), seen = this.scroller;
      if (wanted > seen.scrollLeft + seen.clientWidth - 40 || wanted < seen.scrollLeft) seen.scrollLeft = wanted - seen.clientWidth / 2;
    }
  }

  #line(x1, y1, x2, y2, mine, dotted = false) {
    const d = y1 === y2 ? `M${x1} ${y1}H${x2}` : `M${x1} ${y1}C${x1 + X * 0.7} ${y1} ${x2 - X * 0.9} ${y2} ${x2} ${y2}`;
    return s("path", { d, class: [mine && "mine", dotted && "dotted"].filter(Boolean).join(" ") });
  }

  #dot(step, cx, cy, mine) {
    const now = this.tab.focused === step.id;
    return s("circle", {
      cx, cy, r: now ? 9 : 7, style: `--c:var(--${hue(step.kind)})`, class: mine ? "dot" : "dot far",
      tabindex: now ? 0 : -1, role: "button", "aria-label": `Go to ${STEP_NAMES[step.kind]}`, "data-step": step.id,
      onclick: () => this.focus.travelTo(step.id),
      onkeydown: (event) => this.#press(event, () => this.focus.travelTo(step.id)),
    });
  }

  #press(event, action) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    action();
  }
}
