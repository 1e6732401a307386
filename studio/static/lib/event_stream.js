// Follows the server's event log over SSE: reconnects by itself, sleeps while the tab is hidden, notices a dead server.

const SILENCE = 25000; // the server beats every 10 s

export class EventStream {
  /** `address(after)` gives the stream's URL; `seq` is the newest event this tab has. `onDoubt()` asks whether there is anything to follow. */
  constructor({ address, onEvent, onState, onDoubt }) {
    Object.assign(this, { address, onEvent, onState, onDoubt, seq: 0, wanted: false, source: null, tries: 0 });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
  }

  follow(seq) {
    this.seq = seq;
    this.wanted = true;
    this.#close();
    this.#open();
  }

  #open() {
    if (!this.wanted || this.source || document.hidden) return;
    clearTimeout(this.timer);
    const source = (this.source = new EventSource(this.address(this.seq)));
    source.onopen = () => {
      this.tries = 0;
      this.#heard();
      this.onState(true);
    };
    source.addEventListener("beat", () => this.#heard());
    source.onmessage = (message) => {
      this.#heard();
      const event = JSON.parse(message.data);
      this.seq = event.seq;
      this.onEvent(event);
    };
    source.onerror = () => this.#lost();
  }

  #heard() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.#lost(), SILENCE);
  }

  #lost() {
    this.#close();
    this.tries += 1;
    if (this.tries > 1) {
      this.onState(false);
      this.onDoubt();
    }
    this.timer = setTimeout(() => this.#open(), Math.min(300 * this.tries, 3000));
  }

  #close() {
    clearTimeout(this.watchdog);
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
