// Painting over a picture: one canvas, a brush, an eraser that brings the old picture back, and undo.

import { openDialog } from "../dialogs/dialog.js";
import { h, icon, setText } from "../lib/dom.js";

const COLOURS = [["red", "#c8443c"], ["orange", "#e2852e"], ["yellow", "#f2c63f"], ["green", "#4a9b57"], ["blue", "#3f6fd1"],
  ["purple", "#8a5bb0"], ["white", "#fbf8f0"], ["black", "#26221f"]];
const UNDO = 20;

/**
 * Resolves with what `send({blob, run, dropped})` replied once it was ok, or with null. `url` is the picture to paint over.
 * When sending fails, the dialog says why and the strokes are still there. `dropped()`: whether it was closed meanwhile.
 */
export async function paintOver(url, send) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  const board = new Board(picture), problem = h("p.problem", { role: "alert" });
  let dropped = false;
  const closed = openDialog("Paint over", (close) => {
    const sending = (now) => {
      for (const button of saving) button.disabled = now;
      board.node.inert = now; // a stroke made now would not be sent
    };
    const save = async (run) => {
      sending(true);
      setText(problem, "");
      const blob = await new Promise((resolve) => board.canvas.toBlob(resolve, "image/png"));
      const reply = await send({ blob, run, dropped: () => dropped });
      sending(false);
      if (reply.ok) close(reply);
      else setText(problem, reply.error);
    };
    const saving = [h("button.btn", { type: "button", onclick: () => save(false) }, "Save only"),
      h("button.btn.main", { type: "button", onclick: () => save(true) }, "Save and run from here")];
    return [board.node, problem, h("div.row.end", {}, h("button.btn", { type: "button", onclick: () => close() }, "Cancel"), ...saving)];
  }, { wide: true });
  const done = await closed;
  dropped = !done;
  return done;
}

class Board {
  constructor(picture) {
    this.picture = picture;
    this.canvas = h("canvas.board", { width: picture.naturalWidth, height: picture.naturalHeight, "aria-label": "The picture to paint on", role: "img" });
    this.pen = this.canvas.getContext("2d");
    this.pen.drawImage(picture, 0, 0);
    this.colour = COLOURS[0][1];
    this.size = 5;
    this.erasing = false;
    this.past = [];
    this.undoButton = h("button.btn", { type: "button", disabled: true, onclick: () => this.undo() }, icon("undo"), "Undo");
    this.eraser = h("button.btn", { type: "button", "aria-pressed": "false", onclick: () => this.use(null) }, icon("eraser"), "Eraser");
    this.swatches = COLOURS.map(([name, code]) => h("button.swatch", {
      type: "button", style: `--swatch:${code}`, "aria-label": name, title: name, onclick: () => this.use(code), "data-colour": code,
    }));
    const own = h("input.swatch", { type: "color", value: "#7a5230", "aria-label": "Another colour", oninput: () => this.use(own.value) });
    const size = h("input", { type: "range", min: 1, max: 30, value: this.size, oninput: () => (this.size = Number(size.value)) });
    this.node = h("div.painting", {}, this.canvas, h("div.palette", { role: "group", "aria-label": "Brush" },
      h("div.swatches", {}, ...this.swatches, own), h("label.size", {}, "Brush size", size), this.eraser, this.undoButton));
    this.use(this.colour);
    this.#listen();
  }

  use(colour) {
    this.erasing = colour === null;
    if (colour) this.colour = colour;
    this.eraser.setAttribute("aria-pressed", this.erasing);
    for (const one of this.swatches) one.setAttribute("aria-pressed", !this.erasing && one.dataset.colour === this.colour);
  }

  undo() {
    const last = this.past.pop();
    if (last) this.pen.putImageData(last, 0, 0);
    this.undoButton.disabled = !this.past.length;
  }

  #listen() {
    const { canvas, pen } = this;
    let at = null;
    const spot = (event) => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
    };
    const stroke = (to) => {
      pen.lineWidth = (this.size * canvas.width) / 256;
      pen.lineCap = pen.lineJoin = "round";
      // The eraser paints with the old picture itself, so what comes back is exact.
      pen.strokeStyle = this.erasing ? pen.createPattern(this.picture, "no-repeat") : this.colour;
      pen.beginPath();
      pen.moveTo(...at);
      pen.lineTo(to[0] + 0.01, to[1]);
      pen.stroke();
      at = to;
    };
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      this.past.push(pen.getImageData(0, 0, canvas.width, canvas.height));
      if (this.past.length > UNDO) this.past.shift();
      this.undoButton.disabled = false;
      at = spot(event);
      stroke(at);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!at) return;
      for (const each of event.getCoalescedEvents?.() || [event]) stroke(spot(each));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (at = null));
  }
}
