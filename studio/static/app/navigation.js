// Where the tab is: opens sessions and branches, and keeps the address and the browser's history in step.

export class Navigation {
  /** `onLoaded({ fresh })`: a snapshot was taken, `fresh`: of another session than before; `onOpened()`: a person came here. */
  constructor({ tab, client, addresses, stream, redraw, toasts, onLoaded, onOpened }) {
    Object.assign(this, { tab, client, addresses, stream, redraw, toasts, onLoaded, onOpened, opening: null });
    window.addEventListener("popstate", () => this.#wentBack());
  }

  /** Opens a session, or the first page when `sid` is null. */
  async open(sid, { push = true, branch = null } = {}) {
    const turn = (this.opening = {});
    try {
      const snapshot = await this.#snapshot(sid);
      if (this.opening !== turn) return; // the person has gone on to another one
      if (push) history.pushState(null, "", this.addresses.page(sid, branch));
      this.show(snapshot);
      this.onOpened();
    } catch (error) {
      if (this.opening === turn) this.toasts.show(error.message, { bad: true });
    }
  }

  /** Reads what is open again. */
  async reload() {
    const { sid } = this.tab;
    try {
      const snapshot = await this.#snapshot(sid);
      if (this.tab.sid === sid) this.show(snapshot); // else another one was opened meanwhile
    } catch (error) {
      this.toasts.show(error.message, { bad: true });
    }
  }

  #snapshot(sid) {
    return this.client.read(`studio/${sid || "home"}/snapshot`);
  }

  show(snapshot) {
    const { tab } = this, same = tab.load(snapshot);
    this.onLoaded({ fresh: !same });
    if (!same) window.scrollTo(0, 0);
    if (tab.session) this.#branchOfAddress(snapshot.branch);
    if (snapshot.problem) this.toasts.show(snapshot.problem, { bad: true });
    history.replaceState(null, "", this.addresses.page(snapshot.sid, tab.branch)); // with its branch, to come back to from another
    this.stream.follow(snapshot.seq);
    this.redraw.now();
  }

  /** The branch that the address names; without one the open branch stays, else it is the newest. */
  #branchOfAddress(newest) {
    const { tab } = this, asked = new URL(location.href).searchParams.get("branch");
    tab.openBranch(tab.session.hasBranch(asked) ? asked : tab.branch || newest);
  }

  /** The browser went to another address of its history. */
  #wentBack() {
    const { tab } = this, asked = new URL(location.href).searchParams;
    const sid = asked.get("session"), branch = asked.get("branch");
    if (tab.session && tab.sid === sid && tab.session.hasBranch(branch)) {
      this.opening = null;
      this.travel(branch, { push: false });
    } else this.open(sid, { push: false });
  }

  /** To another branch of the open session. */
  travel(branch, { push = true } = {}) {
    this.tab.openBranch(branch);
    history[push ? "pushState" : "replaceState"](null, "", this.addresses.page(this.tab.sid, branch));
    this.redraw.now();
  }
}
