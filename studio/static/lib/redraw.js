// Draws the page again after a change.

export class Redraw {
  #due = false;

  constructor(draw) {
    this.draw = draw;
  }

  now() {
    this.draw();
  }

  /** Before the browser's next frame, once however often it was asked for. */
  soon() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.draw();
    });
  }
}
