// The timeline of one branch: cards by round, where old ideas went, and what stands at the end.

import { arrange, h } from "../lib/dom.js";
import { STEP_NAMES, clip, count, isPicture } from "../lib/words.js";
import { isUnderWay } from "../state/session_model.js";
import { Card } from "./card.js";
import { LiveCard } from "./live_card.js";
import { NewText } from "./new_text.js";

const HERE = { label: "Run from here", title: "Let the model continue from this card" };

export class Timeline {
  constructor(parts) {
    const { tab, navigation, focus, steps } = parts;
    Object.assign(this, { parts, tab, navigation, focus, steps });
    this.top = h("div");
    this.node = h("div.timeline", { role: "group", "aria-label": "Steps of this branch" });
    this.cards = new Map();
    this.small = new Map();
    this.live = new LiveCard(parts);
    this.newText = new NewText(parts);
  }

  get order() {
    return [...this.top.children, ...this.node.querySelectorAll(".card[data-step]")].map((node) => node.dataset.step);
  }

  card(id) {
    return this.cards.get(id);
  }

  render() {
    const { tab } = this, { session, branch } = tab;
    const path = tab.path(), tip = path.at(-1)?.id, shown = tab.shownPicture()?.id;
    const run = session.run(branch), live = session.liveOn(branch), busy = isUnderWay(run);
    const nodes = [], polishable = this.steps.polishable()?.id, further = this.steps.further();
    path.forEach((step, at) => {
      if (step.round && step.round !== path[at - 1]?.round) nodes.push(this.#round(step.round));
      if (!this.cards.has(step.id)) this.cards.set(step.id, new Card(step, this.parts));
      const card = this.cards.get(step.id);
      const go = step.id !== tip ? HERE : busy ? null : further;
      card.update({ now: tab.focused === step.id, go, selected: step.id === shown && !(tab.followsDrawing && live), polish: step.id === polishable });
      if (step.kind === "prompt") arrange(this.top, [card.node]);
      else nodes.push(card.node);
      nodes.push(...[this.#note(step), this.#freshStart(step)].filter(Boolean));
    });
    if (live) {
      if (live.round && live.round !== path.at(-1)?.round) nodes.push(this.#round(live.round));
      const share = live.total ? live.index / live.total : 0;
      this.live.update({ live, eta: (session.position(run)?.step_seconds || 0) * (1 - share) });
      nodes.push(this.live.node);
    }
    const end = this.#end(run);
    if (end) nodes.push(end);
    const kind = tip && !busy && session.branch(branch).next_text;
    if (kind) {
      this.newText.update(tip, kind);
      nodes.push(this.newText.node);
    }
    arrange(this.node, nodes);
    const held = new Set(session.steps.keys());
    for (const id of this.cards.keys()) if (!held.has(id)) this.cards.delete(id);
  }

  /** Headings, notes and ends are made once per wording and kept, so that a render touches nothing needlessly. */
  #kept(key, make) {
    if (!this.small.has(key)) this.small.set(key, make());
    return this.small.get(key);
  }

  #round(number) {
    return this.#kept(`round ${number}`, () => h("h2.round", {}, `Round ${number}`));
  }

  /** “The red house is not lost”: where the other version of this step goes on. */
  #note(step) {
    if (step.start && step.start !== "upload" && this.tab.session.steps.has(step.start)) return this.#origin(step);
    const { session } = this.tab, others = session.otherVersions(step);
    if (!others.length) return null;
    const mine = session.age(step);
    const older = others.find((other) => other.step.id === step.edited_from)
      || others.findLast((other) => session.age(other.step) < mine);
    const { branch, steps } = older || others.at(-1);
    const [before, strong] = older
      ? [`${step.was ? `The ${step.was}` : `The earlier ${STEP_NAMES[step.kind].toLowerCase()}`} is not lost: `,
        `${count(steps, "step continues", "steps continue")} in branch “${clip(branch.name, 40)}”.`]
      : ["There is another version: ", `${count(steps, "step", "steps")} in branch “${clip(branch.name, 40)}”.`];
    return this.#kept(`note ${step.id} ${branch.id} ${before} ${strong}`, () => h("p.note", {},
      h("span", { dir: "auto" }, before, h("b", {}, strong), " "),
      h("button.link", { type: "button", onclick: () => this.navigation.travel(branch.id) }, "Open it")));
  }

  /** Where the picture of a fresh start came from. */
  #origin(step) {
    return this.#kept(`origin ${step.id}`, () => h("p.note", {}, h("span", {}, "What came before it is kept. "),
      h("button.link", { type: "button", onclick: () => this.focus.travelTo(step.start) }, "Go back there")));
  }

  /** Where a fresh start from a picture goes on. */
  #freshStart(step) {
    const branch = isPicture(step.kind) && this.tab.session.freshStart(step);
    if (!branch) return null;
    return this.#kept(`fresh ${step.id} ${branch.id} ${branch.name}`, () => h("p.note", {},
      h("span", { dir: "auto" }, "Started fresh from this picture: ", h("b", {}, `branch “${clip(branch.name, 40)}”. `)),
      h("button.link", { type: "button", onclick: () => this.navigation.travel(branch.id) }, "Open it")));
  }

  /** A failed or lost run is a card too: what happened, what to do, and the button that does it. */
  #end(run) {
    if (!run || !["failed", "lost"].includes(run.state)) return null;
    return this.#kept(`end ${run.id} ${run.state} ${run.cause}`, () => {
      const failed = run.state === "failed";
      const label = failed ? "Try again" : "Resume";
      return h(`article.card.${run.state}`, { "data-run": run.id, style: "--c:var(--fault)", "aria-label": failed ? "A step failed" : "The run was interrupted" },
        h("header.head", {}, h("h3", {}, failed ? "This step failed" : "Interrupted")),
        h("p", { dir: "auto" }, run.cause), run.next_action && h("p.info", {}, run.next_action),
        run.raw && h("details", {}, h("summary", {}, "What the model wrote"), h("pre", { dir: "auto" }, run.raw)),
        h("div.row", {}, h("button.btn.main", { type: "button", onclick: () => (failed ? this.steps.tryAgain() : this.steps.resume()), "data-do": "resume" }, label)));
    });
  }
}
