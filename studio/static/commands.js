// Commands and uploads: one at a time, each with an answer or a plain sentence about why there is none.

const PATIENCE = 20000;
const SILENT = "Restroke didn't answer in time. Check that it is still running, then try again; your text is kept.";

export class Commands {
  #waiting = null;
  #line = Promise.resolve();
  #number = 0;

  constructor(trigger) {
    this.trigger = trigger;
  }

  /** Resolves with {ok, ...}; never rejects. `problem` is a sentence that answers in the server's place. */
  send(action, payload, problem = null) {
    const turn = this.#line.then(() => problem ? { ok: false, error: problem } : this.#ask(action, payload));
    this.#line = turn;
    return turn;
  }

  #ask(action, payload) {
    return new Promise((resolve) => {
      const nonce = `${Date.now()}-${(this.#number += 1)}`;
      const timer = setTimeout(() => this.answered({ nonce, ok: false, error: SILENT }), PATIENCE);
      this.#waiting = { nonce, resolve, timer };
      this.trigger({ action, nonce, ...payload });
    });
  }

  /** Called with every reply that reaches this tab. */
  answered(reply) {
    if (reply?.nonce !== this.#waiting?.nonce) return;
    clearTimeout(this.#waiting.timer);
    const { resolve } = this.#waiting;
    this.#waiting = null;
    resolve(reply);
  }

  async upload(path, blob) {
    try {
      const answer = await fetch(this.url(path), { method: "POST", body: blob });
      return await answer.json();
    } catch {
      return { ok: false, error: "The file did not reach Restroke. Check that it is still running, then try again." };
    }
  }
}
