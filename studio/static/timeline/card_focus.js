// The card that has the focus: marked in the timeline and the tree, walked by the keyboard, brought into view.

export class CardFocus {
  /** `timeline()`: the one that is open now. */
  constructor({ tab, navigation, redraw, timeline }) {
    Object.assign(this, { tab, navigation, redraw, timeline });
  }

  /** Marks a card that got the browser's focus. */
  mark(stepId) {
    if (this.tab.focused === stepId) return;
    this.tab.focused = stepId;
    this.redraw.soon();
  }

  /** Brings a card of this branch into view and gives it the browser's focus; a picture is shown large too. */
  reveal(stepId) {
    const { tab } = this;
    tab.focused = stepId;
    if (tab.session.steps.get(stepId).image) tab.chosen = stepId;
    this.redraw.now();
    const { node } = this.timeline().card(stepId);
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  /** To a card wherever it is: when it isn't on this branch, on the oldest one that holds it. */
  travelTo(stepId) {
    const { session } = this.tab;
    if (!this.tab.path().some((step) => step.id === stepId)) {
      this.navigation.travel(session.branches[session.age({ id: stepId })].id);
    }
    this.reveal(stepId);
  }

  /** To the next card (1) or the one before (-1). */
  move(by) {
    const { order } = this.timeline(), at = order.indexOf(this.tab.focused);
    const next = order[at < 0 ? (by > 0 ? 0 : order.length - 1) : Math.max(0, Math.min(order.length - 1, at + by))];
    if (next) this.reveal(next);
  }

  /** The focused card, else the last one. */
  card() {
    return this.timeline().card(this.tab.focused || this.tab.tip);
  }
}
