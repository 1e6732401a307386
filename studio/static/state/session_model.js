// What this tab knows of a session: steps, branches, runs and what is being made now. No DOM here.

import { STEP_NAMES, clip, isPicture } from "../lib/words.js";

const UNDER_WAY = ["queued", "running"];

export const isUnderWay = (run) => Boolean(run && UNDER_WAY.includes(run.state));

export class SessionModel {
  constructor(snapshot) {
    this.load(snapshot);
  }

  load(snapshot) {
    this.sid = snapshot.sid;
    this.title = snapshot.title;
    this.seed = snapshot.seed;
    this.settings = snapshot.settings;
    this.steps = new Map(snapshot.steps.map((step) => [step.id, step]));
    this.branches = snapshot.branches;
    this.ages = null;
    this.runs = new Map(snapshot.runs.map((run) => [run.id, run]));
    this.live = new Map(Object.entries(snapshot.live));
    this.positions = snapshot.positions;
    this.previews = new Map();
    this.notes = new Map(snapshot.notes.map((note) => [note.id, note]));
  }

  /** Takes one event of the log; one about something else changes nothing. */
  apply(event) {
    switch (event.kind) {
      case "step":
        this.steps.set(event.step.id, event.step);
        this.#branch(event.branch);
        if (this.live.get(event.run)?.preview) this.previews.set(event.step.id, this.live.get(event.run).preview);
        this.live.delete(event.run);
        break;
      case "live":
        if (event.live) this.live.set(event.run, event.live);
        else this.live.delete(event.run);
        break;
      case "branch":
        this.#branch(event.branch);
        for (const step of event.steps || []) this.steps.set(step.id, step);
        break;
      case "run":
        this.runs.set(event.run.id, event.run);
        if (!isUnderWay(event.run)) this.live.delete(event.run.id);
        break;
      case "note":
        if (event.note.state === "deleted") this.notes.delete(event.note.id);
        else this.notes.set(event.note.id, event.note);
        break;
      case "positions":
        this.positions = event.positions;
        break;
      case "session":
        Object.assign(this, event.values);
        break;
      default:
    }
  }

  #branch(branch) {
    this.ages = null;
    const at = this.branches.findIndex((other) => other.id === branch.id);
    if (at < 0) this.branches.push(branch);
    else this.branches[at] = branch;
  }

  branch(id) {
    return this.branches.find((branch) => branch.id === id) || this.branches.at(-1);
  }

  hasBranch(id) {
    return this.branches.some((branch) => branch.id === id);
  }

  /** The trajectory to a step, root first. */
  pathTo(tip) {
    const path = [];
    for (let step = this.steps.get(tip); step; step = this.steps.get(step.parent)) path.push(step);
    return path.reverse();
  }

  path(branchId) {
    return this.pathTo(this.branch(branchId).tip);
  }

  children(parent) {
    return [...this.steps.values()].filter((step) => step.parent === parent);
  }

  /** Where the old idea went: the other versions of this step and the branches they go on in. */
  otherVersions(step) {
    const found = [];
    for (const other of this.children(step.parent)) {
      if (other.id === step.id || step.parent === null || (other.start && !step.start)) continue;
      const branch = this.branches[this.age(other)];
      if (!branch) continue;
      const path = this.pathTo(branch.tip);
      found.push({ step: other, branch, steps: path.length - path.findIndex((s) => s.id === other.id) });
    }
    return found;
  }

  /** The branch that makes a fresh start from this picture, if there is one. */
  freshStart(step) {
    const start = [...this.steps.values()].find((other) => other.start === step.id);
    return start ? this.branches[this.age(start)] || null : null;
  }

  /** How many pictures the model sees at the end of a branch, by the session's rule for rejected sketches. */
  picturesInHistory(branchId) {
    const tip = this.path(branchId).at(-1); // a branch may be told of before its newest step
    return tip ? tip.history[this.settings.keep_rejected ? "all" : "accepted"] : 0;
  }

  /** The questions about a picture, oldest first. */
  notesOf(stepId) {
    return [...this.notes.values()].filter((note) => note.step === stepId);
  }

  /** The number, in order of creation, of the oldest branch that holds this step. */
  age(step) {
    if (!this.ages) {
      this.ages = new Map();
      this.branches.forEach((branch, at) => {
        for (const { id } of this.pathTo(branch.tip)) if (!this.ages.has(id)) this.ages.set(id, at);
      });
    }
    return this.ages.get(step.id) ?? Infinity;
  }

  /** The newest run of a branch; null also when the person added a card to where it had ended. */
  run(branchId) {
    const run = [...this.runs.values()].filter((other) => other.branch === branchId).at(-1);
    return run && !this.#isPast(run) ? run : null;
  }

  /** A run makes cards of the model's only, so one of the person's that it did not begin from is newer than its end. */
  #isPast(run) {
    if (!run.after || isUnderWay(run)) return false;
    const tip = this.steps.get(this.branch(run.branch).tip);
    return tip?.author === "person" && tip.id !== run.after;
  }

  /** The step that is being made on a branch, or null. */
  liveOn(branchId) {
    const run = this.run(branchId);
    return run ? this.live.get(run.id) || null : null;
  }

  /** Where a run stands in the queue, or null. */
  position(run) {
    return run ? this.positions.find((position) => position.run_id === run.id) || null : null;
  }

  /** The picture that a finished branch ends with, or null. */
  finishedPicture(branchId) {
    const run = this.run(branchId);
    if (run && run.state !== "done") return null;
    return this.steps.get(this.branch(branchId).finished_picture) || null;
  }

  /** Whether the model thinks that a branch is finished, but may be asked for one more round. */
  mayGetMore(branchId) {
    return Boolean(this.run(branchId)?.complete && this.branch(branchId).may_continue);
  }

  pictures() {
    return [...this.steps.values()].filter((step) => isPicture(step.kind));
  }

  /** “first idea · sketch 2”: a picture by its branch (the given one where it is on it) and its number there. */
  pictureName(step, branchId) {
    const here = this.path(branchId).includes(step);
    const home = here ? this.branch(branchId) : this.branches[this.age(step)];
    const alike = home ? this.path(home.id).filter(({ kind }) => kind === step.kind) : [];
    return `${clip(home?.name || "", 24)} · ${STEP_NAMES[step.kind].toLowerCase()} ${alike.indexOf(step) + 1}`;
  }
}
