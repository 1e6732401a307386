// The timeline of one branch: cards by round, where old ideas went, and what stands at the end.

import { Card, LiveCard } from "./cards.js";
import { arrange, h } from "./dom.js";
import { Model } from "./model.js";
import { NewText, nextText } from "./newtext.js";
import { STAGES, clip, count, isPicture } from "./words.js";

const HERE = { label: "Run from here", title: "Let the model go on from this card" };

export class Timeline {
  constructor(app) {
    this.app = app;
    this.top = h("div");
    this.node = h("div.timeline", { role: "group", "aria-label": "Steps of this branch" });
    this.cards = new Map();
    this.live = new LiveCard(app);
    this.newText = new NewText(app);
  }

  get order() {
    return [...this.top.children, ...this.node.querySelectorAll(".card[data-step]")].map((node) => node.dataset.step);
  }

  card(id) {
    return this.cards.get(id);
  }

  render() {
    const { app } = this, { model } = app;
    const path = model.path(app.branch), rounds = Model.rounds(path), tip = path.at(-1)?.id;
    const run = model.run(app.branch), live = model.liveOn(app.branch);
    const busy = Boolean(run && ["queued", "running"].includes(run.state));
    const nodes = [], polishable = app.polishable()?.id, further = app.further();
    path.forEach((step, at) => {
      if (rounds[at] && rounds[at] !== rounds[at - 1]) nodes.push(this.#round(rounds[at]));
      if (!this.cards.has(step.id)) this.cards.set(step.id, new Card(step, app));
      const card = this.cards.get(step.id);
      const go = step.id !== tip ? HERE : busy ? null : further;
      card.update({ now: app.focused === step.id, go, selected: app.shown()?.id === step.id && !(app.follows && live), polish: step.id === polishable });
      if (step.kind === "prompt") arrange(this.top, [card.node]);
      else nodes.push(card.node);
      nodes.push(...[this.#note(step), this.#carried(step)].filter(Boolean));
    });
    if (live) {
      if (Model.opensRound(live.kind, rounds.at(-1))) nodes.push(this.#round((rounds.at(-1) || 0) + 1));
      const share = live.total ? live.index / live.total : 0;
      this.live.update({ live, eta: (model.place(run)?.step_seconds || 0) * (1 - share) });
      nodes.push(this.live.node);
    }
    const end = this.#end(run);
    if (end) nodes.push(end);
    const kind = tip && !busy && nextText(path.at(-1), model.settings.protocol);
    if (kind) {
      this.newText.update(tip, kind);
      nodes.push(this.newText.node);
    }
    arrange(this.node, nodes);
    const held = new Set(model.steps.keys());
    for (const id of this.cards.keys()) if (!held.has(id)) this.cards.delete(id);
  }

  /** Headings, notes and ends are made once per wording and kept, so that a render touches nothing needlessly. */
  #kept(key, make) {
    this.small ??= new Map();
    if (!this.small.has(key)) this.small.set(key, make());
    return this.small.get(key);
  }

  #round(number) {
    return this.#kept(`round ${number}`, () => h("h2.round", {}, `Round ${number}`));
  }

  /** “The red house is not lost”: where the other version of this step goes on. */
  #note(step) {
    if (step.start && step.start !== "upload" && this.app.model.steps.has(step.start)) return this.#origin(step);
    const { app } = this, others = app.model.otherVersions(step);
    if (!others.length) return null;
    const mine = app.model.age(step);
    const older = others.find((other) => other.step.id === step.edited_from)
      || others.findLast((other) => app.model.age(other.step) < mine);
    const { branch, steps } = older || others.at(-1);
    const [before, strong] = older
      ? [`${step.was_thing ? `The ${step.was_thing}` : `The earlier ${STAGES[step.kind].toLowerCase()}`} is not lost: `,
        `${count(steps, "step goes", "steps go")} on in branch “${clip(branch.name, 40)}”.`]
      : ["There is another version: ", `${count(steps, "step", "steps")} in branch “${clip(branch.name, 40)}”.`];
    return this.#kept(`note ${step.id} ${branch.id} ${before} ${strong}`, () => h("p.note", {},
      h("span", { dir: "auto" }, before, h("b", {}, strong), " "),
      h("button.link", { type: "button", onclick: () => app.travel(branch.id) }, "Open it")));
  }

  /** Where a picture that was carried on from came from. */
  #origin(step) {
    const { app } = this;
    return this.#kept(`origin ${step.id}`, () => h("p.note", {}, h("span", {}, "What came before it is kept. "),
      h("button.link", { type: "button", onclick: () => app.travelTo(step.start) }, "Go back there")));
  }

  /** Where a picture goes on that was carried on from. */
  #carried(step) {
    const { app } = this, branch = isPicture(step.kind) && app.model.carriedOn(step);
    if (!branch) return null;
    return this.#kept(`carried ${step.id} ${branch.id} ${branch.name}`, () => h("p.note", {},
      h("span", { dir: "auto" }, "Started afresh from this picture: ", h("b", {}, `branch “${clip(branch.name, 40)}”. `)),
      h("button.link", { type: "button", onclick: () => app.travel(branch.id) }, "Open it")));
  }

  /** A failed or lost run is a card too: what happened, what to do, and the button that does it. */
  #end(run) {
    const { app } = this;
    if (!run || !["failed", "lost"].includes(run.state)) return null;
    return this.#kept(`end ${run.id} ${run.state} ${run.cause}`, () => {
      const failed = run.state === "failed";
      const label = failed ? "Try again" : "Resume";
      return h(`article.card.${run.state}`, { "data-run": run.id, style: "--c:var(--fault)", "aria-label": failed ? "A step failed" : "The run was interrupted" },
        h("header.head", {}, h("h3", {}, failed ? "This step failed" : "Interrupted")),
        h("p", { dir: "auto" }, run.cause), run.next_action && h("p.info", {}, run.next_action),
        run.raw && h("details", {}, h("summary", {}, "What the model wrote"), h("pre", { dir: "auto" }, run.raw)),
        h("div.row", {}, h("button.btn.main", { type: "button", onclick: () => (failed ? app.tryAgain() : app.resume()), "data-do": "resume" }, label)));
    });
  }
}
