// What a person can have done with a card, and at the end of a branch. What it changes comes back over the log.

import { isUnderWay } from "../state/session_model.js";

const MORE = "The model thinks the picture is finished. Ask it to look for one more thing to improve.";
const ACCEPTED = "Accepted as it is.";

export class StepActions {
  constructor({ tab, commands }) {
    Object.assign(this, { tab, commands });
  }

  /** Saves a rewritten card as a branch. Resolves with null, or with the sentence to show beside the kept text. */
  async saveEdit(step, { fields, run, force, known }) {
    const values = { step: step.id, fields, run, force, known, branch: this.tab.branch };
    const reply = await this.commands.send("edit", values, { quietly: true });
    return reply.ok ? null : { text: reply.error, force: reply.conflict };
  }

  /** The ids of all versions of a card that this tab knows. */
  versions(step) {
    return this.tab.session.children(step.parent).map((other) => other.id);
  }

  /** Adds a person's own text at the end of the branch. Resolves as `saveEdit` does. */
  async addText(tip, kind, fields, run) {
    const reply = await this.commands.send("add", { branch: this.tab.branch, tip, kind, fields, run }, { quietly: true });
    return reply.ok ? null : { text: reply.error, force: false };
  }

  again(step) {
    return this.commands.send("again", { step: step.id });
  }

  /** From a card. The words of a branch that starts from a picture go together with it. */
  runFrom(card) {
    const second = this.tab.path()[1];
    const step = card.kind === "prompt" && second?.start ? second : card;
    if (step.id === this.tab.tip) return this.further()?.run();
    return this.commands.send("run", { step: step.id, branch: this.tab.branch });
  }

  /** What the end of this branch can be asked for, or null when its way of working has nothing to add. */
  further() {
    const { branch, session } = this.tab, state = session.run(branch)?.state || "done";
    if (state === "done" && session.branch(branch).drawn) return null;
    const more = session.mayGetMore(branch);
    return {
      label: more ? "One more round" : "Continue", title: more ? MORE : "Let the model continue from here",
      run: () => this.#run({ more }),
    };
  }

  #run(values = {}) {
    return this.commands.send("run", { step: this.tab.tip, branch: this.tab.branch, ...values });
  }

  resume() {
    return this.#run();
  }

  tryAgain() {
    return this.#run({ again: true });
  }

  stop() {
    const run = this.tab.session?.run(this.tab.branch);
    return isUnderWay(run) ? this.commands.send("stop", { run: run.id }) : null;
  }

  /** An inspection needs words: one that was nothing but its correction gets some. */
  accept(step) {
    const verdict = step.fields.verdict.trim() ? step.fields.verdict : ACCEPTED;
    return this.commands.send("edit", { step: step.id, fields: { verdict, correction: "" }, run: true, force: true });
  }

  /** The picture of this branch that may be polished, or null: once is best, so none that was reflected on. */
  polishable() {
    const { about, branch, session } = this.tab;
    const step = about.protocols.some(({ reflects }) => reflects) && session.finishedPicture(branch);
    return step && session.pathTo(step.id).every(({ kind }) => kind !== "reflect") ? step : null;
  }

  polish(step) {
    return this.commands.send("polish", { step: step.id });
  }
}
