// What this tab shows: the open session and what is chosen in it, the list of sessions, the model's state. No DOM here.

import { isPicture } from "../lib/words.js";
import { SessionModel } from "./session_model.js";

export class Tab {
  /** `session`: the open one's SessionModel, null on the first page. */
  constructor() {
    Object.assign(this, { about: null, worker: null, sessions: [], query: "", session: null, online: null });
    this.#chooseNothing();
  }

  get sid() {
    return this.session?.sid ?? null;
  }

  /** Takes a snapshot. Returns whether it is of what is open already; what is chosen there then stays. */
  load(snapshot) {
    const same = this.worker !== null && this.sid === snapshot.sid;
    this.sessions = snapshot.sessions ?? this.sessions;
    this.about = snapshot.about;
    this.worker = snapshot.worker;
    if (!snapshot.sid) this.session = null;
    else if (same) this.session.load(snapshot);
    else this.session = new SessionModel(snapshot);
    if (!same) this.#chooseNothing();
    return same;
  }

  // Chosen in the open session: a branch, a focused card, a picture of the large view, one to compare it with.

  #chooseNothing() {
    Object.assign(this, { branch: null, focused: null, chosen: null, compared: null });
  }

  openBranch(branch) {
    if (branch !== this.branch) Object.assign(this, { branch, chosen: null, focused: null });
  }

  path() {
    return this.session.path(this.branch);
  }

  /** The newest step of the open branch, by id. */
  get tip() {
    return this.session.branch(this.branch).tip;
  }

  /** The picture of the large view: the chosen one, else the newest of this branch. */
  shownPicture() {
    if (!this.session) return null;
    const chosen = this.chosen && this.session.steps.get(this.chosen);
    return chosen || this.path().findLast((step) => isPicture(step.kind)) || null;
  }

  /** Whether the large view follows what is being drawn. */
  get followsDrawing() {
    return !this.chosen;
  }
}
