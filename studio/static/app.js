// The tab: what is open, what is chosen, where addresses lead, and drawing all of it again when something changes.

import { Actions } from "./actions.js";
import { Toasts, hostDialogs } from "./dialogs.js";
import { h, setText } from "./dom.js";
import { Home } from "./home.js";
import { listen } from "./keys.js";
import { Link } from "./link.js";
import { Model } from "./model.js";
import { SessionView } from "./session.js";
import { DOING, STAGES, isPicture, seconds } from "./words.js";

export class App extends Actions {
  /** `trigger(payload)` sends a command; `hello` is what the server said when the page was opened. */
  constructor(root, trigger, hello) {
    super(trigger);
    Object.assign(this, { root, token: hello.token, about: hello.snapshot.about, sessions: [], query: "", model: null, stoppers: [] });
    this.base = new URL(".", document.baseURI);
    this.reset();
    this.toasts = new Toasts();
    this.said = h("div.unseen", { "aria-live": "polite", "aria-atomic": "true", "data-said": true });
    this.banner = h("div.banner", { role: "alert", hidden: true },
      h("b", {}, "Restroke isn't answering."), " Your text is kept here; this page goes on by itself when it is back.");
    this.home = new Home(this);
    this.session = new SessionView(this);
    this.node = h("div.rs", {}, this.banner, this.home.node, this.session.node, this.toasts.node, this.said);
    root.replaceChildren(this.node);
    hostDialogs(this.node);
    listen(this);
    this.link = new Link({
      address: (after) => this.url(`studio/${this.model?.sid || "home"}/events?after=${after}`),
      onEvent: (event) => this.#heard(event),
      onState: (up) => this.#linked(up),
      onDoubt: () => this.#doubts(),
    });
    window.addEventListener("popstate", () => this.#wentBack());
    this.#listenDrops();
    this.#show(hello.snapshot);
  }

  reset() {
    Object.assign(this, { branch: null, focused: null, chosen: null, other: null });
  }

  // Addresses ------------------------------------------------------------------------------------------------

  url(path) {
    const url = new URL(path, this.base);
    url.searchParams.set("t", this.token);
    return url.href;
  }

  imageUrl(digest, sid = this.model?.sid) {
    return this.url(`studio/${sid}/image/${digest}`);
  }

  exportUrl(step) {
    return this.url(`studio/${this.model.sid}/export/${step}`);
  }

  pageUrl(sid, branch = null) {
    const url = new URL(location.href);
    for (const [name, value] of [["session", sid], ["branch", branch]]) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    return url.href;
  }

  // Opening --------------------------------------------------------------------------------------------------

  async read(path) {
    const answer = await fetch(this.url(path));
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || "Restroke could not read this.");
    return answer.json();
  }

  /** Opens a session, or the first page when `sid` is null. */
  async open(sid, { push = true, branch = null } = {}) {
    const turn = (this.opening = {});
    try {
      const snapshot = await this.read(`studio/${sid || "home"}/snapshot`);
      if (this.opening !== turn) return; // the person has gone on to another one
      if (push) history.pushState(null, "", this.pageUrl(sid, branch));
      this.#show(snapshot);
      (this.model ? this.session.timeline.top.firstElementChild : this.home.words).focus({ preventScroll: true });
    } catch (error) {
      if (this.opening === turn) this.toasts.show(error.message, { bad: true });
    }
  }

  /** The browser went to another address of its history. */
  #wentBack() {
    const asked = new URL(location.href).searchParams, branch = asked.get("branch");
    const here = this.model?.sid === asked.get("session") && this.model.branches.some(({ id }) => id === branch);
    if (here) {
      this.opening = null;
      this.travel(branch, { push: false });
    } else this.open(asked.get("session"), { push: false });
  }

  #show(snapshot) {
    const same = this.worker && (this.model?.sid || null) === snapshot.sid;
    this.sessions = snapshot.sessions ?? this.sessions;
    this.about = snapshot.about;
    this.home.learn(this.about);
    this.worker = snapshot.worker;
    if (!snapshot.sid) this.model = null;
    else if (same) this.model.load(snapshot);
    else {
      this.model = new Model(snapshot);
      this.session.begin();
    }
    if (!same) {
      this.reset();
      window.scrollTo(0, 0);
    }
    if (this.model) this.#branchOfAddress(snapshot.branch);
    if (snapshot.problem) this.toasts.show(snapshot.problem, { bad: true });
    history.replaceState(null, "", this.pageUrl(snapshot.sid, this.branch)); // with its branch, to come back to from another
    this.link.follow(snapshot.seq);
    this.render();
  }

  /** The branch that the address names; without one the open branch stays, else it is the newest. */
  #branchOfAddress(newest) {
    const wish = new URL(location.href).searchParams.get("branch");
    const branch = this.model.branches.some(({ id }) => id === wish) ? wish : this.branch || newest;
    if (branch !== this.branch) Object.assign(this, { branch, chosen: null, focused: null });
  }

  async resync() {
    const sid = this.model?.sid;
    try {
      const snapshot = await this.read(`studio/${sid || "home"}/snapshot`);
      if (this.model?.sid === sid) this.#show(snapshot); // else another one was opened meanwhile
    } catch (error) {
      this.toasts.show(error.message, { bad: true });
    }
  }

  // Following ------------------------------------------------------------------------------------------------

  #heard(event) {
    if (event.kind === "resync") this.resync();
    else if (event.kind === "sessions") this.refreshSessions();
    else if (event.kind === "worker") this.#working(event.worker);
    else if (event.kind === "reply") this.answered(event);
    else if (this.model) {
      const before = this.follows && this.shown()?.id;
      this.#announce(event);
      this.model.apply(event);
      if (event.kind === "step" && event.branch.id === this.branch && before !== false) this.chosen = null;
    }
    this.schedule();
  }

  /** The model's state. Once it is there, the page learns what it can do; what a person is at meanwhile stays. */
  #working(worker) {
    if (this.worker.state === "loading" && worker.state === "ready") this.resync();
    else this.worker = worker;
  }

  #announce(event) {
    const say = (text) => setText(this.said, text);
    const known = event.kind === "live" && this.model.live.get(event.run);
    if (event.kind === "live" && event.live?.kind !== known?.kind) say(`${DOING[event.live.kind] || "working"} …`);
    if (event.kind === "step") say(`${STAGES[event.step.kind]} is ready${event.step.seconds ? ` after ${seconds(event.step.seconds)}` : ""}.`);
    if (event.kind === "run" && event.run.cause) say(event.run.cause);
    if (event.kind === "run" && event.run.state === "cancelled") say("Stopped.");
  }

  #linked(up) {
    this.banner.hidden = up;
    this.up = up;
  }

  /** The log can't be followed. A server that is there says why: another key since a restart, or a session deleted elsewhere. */
  async #doubts() {
    const sid = this.model?.sid;
    const answer = await fetch(this.url(`studio/${sid || "home"}/snapshot`)).catch(() => null);
    if (!answer || answer.ok || this.model?.sid !== sid) return;
    const { error } = await answer.json().catch(() => ({}));
    if (answer.status === 404) {
      this.toasts.show(error, { bad: true });
      this.#linked(true);
      this.open(null);
    } else if (answer.status === 401) {
      this.banner.replaceChildren(h("b", {}, "This page is from before a restart."), " Your text is kept here. ",
        h("button.link", { type: "button", onclick: () => location.reload() }, "Load it again"));
    }
  }

  // Choosing -------------------------------------------------------------------------------------------------

  /** The picture of the large view: the chosen one, else the newest of this branch. */
  shown() {
    if (!this.model) return null;
    const chosen = this.chosen && this.model.steps.get(this.chosen);
    return chosen || this.model.path(this.branch).findLast((step) => isPicture(step.kind)) || null;
  }

  /** Whether the large view follows what is being drawn. */
  get follows() {
    return !this.chosen;
  }

  /** A button that stops the loading of the model, shown while it loads; none where others may be waiting for it. */
  stopLoading() {
    if (!this.about.own_computer) return null;
    this.stoppers.push(h("button.btn.quiet", { type: "button", hidden: true, onclick: () => this.act("stop_loading", { sid: null }) }, "Stop loading"));
    return this.stoppers.at(-1);
  }

  schedule() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.render();
    });
  }

  render() {
    this.home.node.hidden = Boolean(this.model);
    this.session.node.hidden = !this.model;
    document.title = this.model ? `${this.model.title} · Restroke` : "Restroke";
    setText(this.home.model, this.workerLine());
    for (const button of this.stoppers) button.hidden = !(this.worker.state === "loading" && this.worker.loaded);
    if (this.model) this.session.render();
    else this.home.render();
  }

  /** One honest line about the model: what runs, and how fast it is, as measured in this way of working once it was. */
  workerLine() {
    const { worker } = this;
    if (worker.state === "loading") return worker.loaded ? `The model is being loaded: ${Math.floor(worker.loaded * 100)} %` : "The model is being opened …";
    if (worker.state === "failed") return worker.cause;
    const way = this.model?.settings.protocol || "process", pace = worker.paces[way];
    const measured = pace && `about ${seconds(pace)} ${way === "process" ? "a round" : "a picture"}`;
    if (this.model && measured) return `${worker.title}\n${measured}`;
    return [worker.about, measured].filter(Boolean).join(" · ");
  }

  #listenDrops() {
    const files = (event) => [...(event.dataTransfer?.items || [])].some((item) => item.kind === "file");
    document.addEventListener("dragover", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      this.node.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => !event.relatedTarget && this.node.classList.remove("dropping"));
    document.addEventListener("drop", (event) => {
      this.node.classList.remove("dropping");
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      this.importFile(event.dataTransfer.files[0]);
    });
  }
}
