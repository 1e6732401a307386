// What a person can do. Every command is a short message to the server; what it changes comes back over the log.

import { askText, askYes, choosePicture } from "./dialogs.js";
import { PictureActions } from "./picture_actions.js";
import { editSettings } from "./settings.js";
import { changes, keepWish, newWish } from "./wishes.js";

const MORE = "The model holds the picture to be complete: have it look for one more thing to do all the same";
const ACCEPTED = "Accepted as it is.";

export class Actions extends PictureActions {
  // Home -----------------------------------------------------------------------------------------------------

  /** Begins a session. Resolves with a sentence when that was not possible. */
  async create(prompt, upload = null) {
    const wish = newWish(this.about);
    const reply = await this.act("create", { prompt, ...wish, upload, sid: null }, { quietly: true });
    if (!reply.ok) return reply.error;
    await this.open(reply.session);
    return null;
  }

  #offers(protocol) {
    return this.about.protocols.some(({ name }) => name === protocol);
  }

  async newSettings() {
    const { about } = this, { settings, seed } = newWish(about), shown = { ...about.settings, ...settings };
    const wish = await editSettings({ settings: shown, seed, protocols: about.protocols, canvas: about.canvas, seedOptional: true });
    if (wish) keepWish(wish, shown);
  }

  searchSessions(query) {
    this.query = query;
    clearTimeout(this.searching);
    this.searching = setTimeout(() => this.refreshSessions(), 150);
  }

  async refreshSessions() {
    const query = this.query;
    try {
      const found = await this.read(`studio/home/sessions?q=${encodeURIComponent(query.slice(0, 200))}`);
      if (query === this.query) this.sessions = found.sessions;
      this.schedule();
    } catch {
      // The log says when the server is gone; the list stays as it was.
    }
  }

  async manage(summary, wish) {
    const { id: sid, title } = summary;
    if (wish.do === "rename") await this.act("rename", { sid, title: wish.title });
    if (wish.do === "duplicate") {
      const reply = await this.act("duplicate", { sid });
      if (reply) this.toasts.show("Duplicated.", { action: "Open it", onAction: () => this.open(reply.session) });
    }
    if (wish.do !== "delete") return;
    if (!(await askYes("Delete this session?", `“${title}” and all its branches go away. You can undo this right afterwards.`, "Delete"))) return;
    if (!(await this.act("delete", { sid }))) return;
    if (this.model?.sid === sid) await this.open(null);
    this.toasts.show(`“${title}” is deleted.`, { action: "Undo", onAction: () => this.act("restore", { sid }), seconds: 20 });
  }

  async importFile(file) {
    if (!file) return;
    const reply = await this.upload("studio/import", file);
    if (!reply.ok) this.toasts.show(reply.error, { bad: true });
    else {
      await this.open(reply.session);
      this.toasts.show("Opened as a new session, with all steps that led to this picture.");
    }
  }

  // Words outside the model's world ----------------------------------------------------------------------------

  hintFor(text, show) {
    clearTimeout(this.hinting);
    if (!this.about.hints) return;
    this.hinting = setTimeout(async () => {
      const found = await this.read(`studio/home/hint?text=${encodeURIComponent(text.slice(0, 600))}`).catch(() => null);
      if (found) show(found.hint);
    }, 350);
  }

  // Cards ----------------------------------------------------------------------------------------------------

  /** Saves a rewritten card as a branch. Resolves with null, or with the sentence to show beside the kept text. */
  async saveEdit(step, { fields, run, force, known }) {
    const reply = await this.act("edit", { step: step.id, fields, run, force, known, branch: this.branch }, { quietly: true });
    return reply.ok ? null : { text: reply.error, force: reply.conflict };
  }

  versions(step) {
    return this.model.children(step.parent).map((other) => other.id);
  }

  /** Adds a person's own plan or inspection at the end of the branch. Resolves as `saveEdit` does. */
  async addText(tip, kind, fields, run) {
    const reply = await this.act("add", { branch: this.branch, tip, kind, fields, run }, { quietly: true });
    return reply.ok ? null : { text: reply.error, force: false };
  }

  again(step) {
    return this.act("again", { step: step.id });
  }

  /** From a card. The words of a branch that starts from a picture go together with it. */
  runFrom(card) {
    const second = this.model.path(this.branch)[1];
    const step = card.kind === "prompt" && second?.start ? second : card;
    if (step.id === this.model.branch(this.branch).tip) return this.further()?.run();
    return this.act("run", { step: step.id, branch: this.branch });
  }

  /** What the end of this branch can be asked for, or null when its way of working has nothing to add. */
  further() {
    const { model, branch } = this, state = model.run(branch)?.state || "done";
    if (state === "done" && model.isDrawn(branch)) return null;
    const more = model.isComplete(branch);
    return {
      label: more ? "One more round" : "Continue", title: more ? MORE : "Let the model go on from here",
      run: () => this.act("run", { step: model.branch(branch).tip, branch, more }),
    };
  }

  /** An inspection needs words: one that was nothing but its correction gets some. */
  accept(step) {
    const verdict = step.fields.verdict.trim() ? step.fields.verdict : ACCEPTED;
    return this.act("edit", { step: step.id, fields: { verdict, correction: "" }, run: true, force: true });
  }

  /** The picture of this branch that may be polished, or null: once is best, so none that was reflected on. */
  polishable() {
    const step = this.#offers("irg") && this.model.finishedPicture(this.branch);
    return step && this.model.pathTo(step.id).every(({ kind }) => kind !== "reflect") ? step : null;
  }

  polish(step) {
    return this.act("polish", { step: step.id });
  }

  stop() {
    const run = this.model?.run(this.branch);
    return run && ["queued", "running"].includes(run.state) ? this.act("stop", { run: run.id }) : null;
  }

  resume() {
    return this.act("run", { step: this.model.branch(this.branch).tip, branch: this.branch });
  }

  tryAgain() {
    return this.act("run", { step: this.model.branch(this.branch).tip, branch: this.branch, again: true });
  }

  // Settings of the session ------------------------------------------------------------------------------------

  /** Shown at once: drawing the page anew before the answer must not set the switch back. */
  async setMode(mode) {
    const { model } = this, before = model.settings.mode, show = (now) => (model.settings = { ...model.settings, mode: now });
    show(mode);
    if (await this.act("settings", { settings: { mode }, seed: null })) return;
    show(before);
    this.render();
  }

  async sessionSettings() {
    const { sid, settings, seed } = this.model;
    const wish = await editSettings({ settings, seed, protocols: this.about.protocols, canvas: this.about.canvas });
    if (wish) await this.act("settings", { sid, settings: changes(settings, wish.settings), seed: wish.seed });
  }

  async renameBranch() {
    const { sid } = this.model, branch = this.model.branch(this.branch);
    const name = await askText("Name of this branch", { label: "Name", value: branch.name, action: "Rename" });
    if (name !== null) await this.act("rename_branch", { sid, branch: branch.id, name });
  }

  // Travelling -----------------------------------------------------------------------------------------------

  travel(branch, { push = true } = {}) {
    if (branch !== this.branch) Object.assign(this, { branch, chosen: null, focused: null });
    history[push ? "pushState" : "replaceState"](null, "", this.pageUrl(this.model.sid, branch));
    this.render();
  }

  travelTo(stepId) {
    if (!this.model.path(this.branch).some((step) => step.id === stepId)) {
      this.travel(this.model.branches[this.model.age({ id: stepId })].id);
    }
    this.focusCard(stepId, { go: true });
  }

  focusCard(stepId, { go = false } = {}) {
    if (this.focused !== stepId) {
      this.focused = stepId;
      this.schedule();
    }
    if (!go) return;
    if (this.model.steps.get(stepId).image) this.chosen = stepId;
    this.render();
    const { node } = this.session.timeline.card(stepId);
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  move(by) {
    const order = this.session.timeline.order;
    const at = order.indexOf(this.focused);
    const next = order[at < 0 ? (by > 0 ? 0 : order.length - 1) : Math.max(0, Math.min(order.length - 1, at + by))];
    if (next) this.focusCard(next, { go: true });
  }

  #focusedCard() {
    return this.session.timeline.card(this.focused || this.model.branch(this.branch).tip);
  }

  editFocused() {
    this.#focusedCard()?.edit();
  }

  runFocused() {
    const card = this.#focusedCard();
    return card && this.runFrom(card.step);
  }

  // The large view -------------------------------------------------------------------------------------------

  look(stepId) {
    const newest = this.model.path(this.branch).findLast((step) => step.image);
    this.chosen = newest?.id === stepId ? null : stepId;
    this.render();
  }

  compareWith(step) {
    const shown = this.shown();
    if (shown && shown.id !== step.id) this.other = step.id;
    else return this.chooseOther();
    this.render();
    return null;
  }

  async chooseOther() {
    const { model } = this, shown = this.shown();
    const others = model.pictures().filter((step) => step.id !== shown?.id);
    if (!others.length) return this.toasts.show("There is only one picture so far.");
    const other = await choosePicture("Compare with …", others.map((step) => ({
      value: step.id, url: this.imageUrl(step.image), label: model.pictureName(step, this.branch),
    })));
    if (other) this.other = other;
    return this.render();
  }

  endCompare() {
    this.other = null;
    this.render();
  }

  /** The picture before the shown one under the slider, or away with it. */
  toggleCompare() {
    if (this.other) return this.endCompare();
    const shown = this.shown();
    const before = shown && this.model.pathTo(shown.id).filter((step) => step.image).at(-2);
    const other = before || this.model.path(this.branch).findLast((step) => step.image && step.id !== shown?.id);
    if (!other) return this.chooseOther();
    this.other = other.id;
    return this.render();
  }
}
