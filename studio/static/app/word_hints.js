// Asks the server for a gentle hint about words that the model doesn't know, a moment after the typing stops.

export class WordHints {
  constructor({ tab, client }) {
    Object.assign(this, { tab, client });
  }

  /** `show(hint)` is called later, with "" when all words are known; never for a model without such a list. */
  ask(text, show) {
    clearTimeout(this.timer);
    if (!this.tab.about.hints) return;
    this.timer = setTimeout(async () => {
      const found = await this.client.read(`studio/home/hint?text=${encodeURIComponent(text.slice(0, 600))}`).catch(() => null);
      if (found) show(found.hint);
    }, 350);
  }
}
