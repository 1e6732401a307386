// Talks to the server: commands one at a time, uploads and reads. Each gets an answer or a plain sentence why not.

const PATIENCE = 20000;
const SILENT = "Restroke didn't respond in time. Check that it is still running, then try again. Your text is kept.";
const NOT_SENT = "The file didn't reach Restroke. Check that it is still running, then try again.";

export class CommandClient {
  #waiting = null;
  #line = Promise.resolve();
  #number = 0;

  /** `trigger(payload)` sends a command; its reply comes to `answered`. */
  constructor(trigger, addresses) {
    Object.assign(this, { trigger, addresses });
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

  /** Resolves with what the server said about the file; never rejects. */
  async upload(path, blob) {
    try {
      const answer = await fetch(this.addresses.of(path), { method: "POST", body: blob });
      return await answer.json();
    } catch {
      return { ok: false, error: NOT_SENT };
    }
  }

  /** Resolves with the JSON at a path; rejects with a sentence for people. */
  async read(path) {
    const answer = await fetch(this.addresses.of(path));
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || "Restroke couldn't read this.");
    return answer.json();
  }
}
