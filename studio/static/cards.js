// One step, one card: its stage, author, time and seed, its text or picture, and what can be done from it.

import { drafts } from "./drafts.js";
import { h, icon, setText, swapPicture } from "./dom.js";
import { Editor } from "./editor.js";
import { Notes } from "./notes.js";
import { CUT, FIELDS, REUSED, STAGES, describe, hue, isPicture, reused, seconds } from "./words.js";

const CARRY_ON = "Go on from this picture with a fresh mind: the model sees your words and this picture only. This branch stays as it is.";

export const POLISH = "Let the model say what this picture lacks, and draw it again";

const quiet = (name, label, onclick, extra = {}) =>
  h("button.btn.quiet", { type: "button", onclick, ...extra }, icon(name), label);

/** A field's text; `marks` says which words the person changed. */
function fieldBody(step, name) {
  const pieces = step.marks?.[name] || [[step.fields[name], false]];
  const shown = step.kind === "reflect" ? lines(pieces) : marked(pieces);
  return h("div.text", { dir: "auto" }, ...shown);
}

const marked = (pieces) => pieces.map(([piece, changed]) => (changed ? h("mark", {}, piece) : piece));

/** A reflection has parts: its lines that begin with # are shown as headings. */
function lines(pieces) {
  const found = [[]];
  for (const [piece, changed] of pieces) {
    piece.split("\n").forEach((part, at) => {
      if (at) found.push([]);
      found.at(-1).push([part, changed]);
    });
  }
  return found.map((line) => {
    let sign = line.map(([part]) => part).join("").match(/^#+\s*/)?.[0].length || 0;
    if (!sign) return h("div", {}, ...marked(line));
    const rest = line.map(([part, changed]) => {
      const kept = part.slice(sign);
      sign = Math.max(0, sign - part.length);
      return [kept, changed];
    });
    return h("small", {}, ...marked(rest));
  });
}

function who(step) {
  if (step.author === "model") return [step.draft && "draft", step.wish && "one more, as you wished", step.attempt && `again, seed ${step.attempt + 1}`].filter(Boolean).join(" · ");
  if (step.kind === "prompt") return step.edited_from ? "rewritten by you" : "";
  if (step.start) return step.start === "upload" ? "yours, to start from" : "started afresh from here";
  if (isPicture(step.kind)) return "your picture";
  return step.was ? `rewritten by you · was “${step.was}”` : "rewritten by you";
}

export class Card {
  constructor(step, app) {
    Object.assign(this, { step, app, editor: null });
    this.draftKey = `${app.model.sid}:${step.id}`;
    this.body = h("div.body");
    this.node = h(`article.card.${step.kind}`, {
      id: `card-${step.id.slice(0, 12)}`, tabindex: -1, "data-step": step.id, "data-kind": step.kind,
      style: `--c:var(--${hue(step.kind)})`,
      "aria-label": this.#label(),
      onfocusin: () => app.focusCard(step.id),
      onclick: () => app.focusCard(step.id),
    }, this.body);
    if (isPicture(step.kind)) {
      this.notes = new Notes(step, app);
      this.node.append(this.notes.node);
    }
    if (drafts.get(this.draftKey)) this.edit(null);
    else this.#show();
  }

  #label() {
    const { step } = this;
    const state = step.kind === "inspect" ? (step.fields.correction ? ", needs a fix" : ", fits so far") : "";
    return [STAGES[step.kind] + state, who(step)].filter(Boolean).join(", ");
  }

  /** Called on every render; a card being edited keeps what is typed. `go`: what its last button says, `polish`: whether it has that one. */
  update({ now, go, selected, polish }) {
    this.node.classList.toggle("now", now);
    if (now) this.node.setAttribute("aria-current", "step");
    else this.node.removeAttribute("aria-current");
    this.notes?.render();
    if (this.go?.label !== go?.label || this.polish !== polish) {
      Object.assign(this, { go, polish });
      if (!this.editor) this.#show();
    }
    this.picture?.setAttribute("aria-pressed", selected); // on what was shown last, so after it
  }

  edit(focus) {
    if (!FIELDS[this.step.kind]) return this.app.paint(this.step);
    if (this.editor) return this.editor.areas[focus || FIELDS[this.step.kind][0][0]].focus();
    this.editor = new Editor({
      step: this.step, draftKey: this.draftKey, focus, known: this.app.versions(this.step),
      hint: (text, show) => this.app.hintFor(text, show),
      onSave: (wish) => this.app.saveEdit(this.step, wish),
      onClose: () => {
        this.editor = null;
        const here = this.node.contains(document.activeElement);
        this.#show();
        if (here && this.node.isConnected) this.node.focus({ preventScroll: true });
      },
    });
    this.#show();
  }

  #head() {
    const { step } = this;
    return h("header.head", {}, h("h3", {}, STAGES[step.kind]), h("span.who", { dir: "auto" }, who(step)),
      h("span.meta", {}, seconds(step.seconds),
        step.seed && h("span.seed", { title: `Seed ${step.seed}` }, ` · seed …${step.seed.slice(-4)}`)));
  }

  #show() {
    const { step } = this;
    if (isPicture(step.kind)) this.#showPicture();
    else if (this.editor) this.body.replaceChildren(this.#head(), this.editor.node);
    else if (step.kind === "prompt") this.#showPrompt();
    else this.#showText();
  }

  #showPrompt() {
    const title = h("h1", { dir: "auto" }, this.step.fields.text);
    if (this.step.fields.text.length > 220) title.classList.add("long");
    const only = (name, label, onclick, id) => h("button.btn.quiet.only", { type: "button", "aria-label": label, title: label, onclick, "data-do": id }, icon(name));
    this.body.replaceChildren(h("div.title", {}, title, h("div.row", {},
      only("pencil", "Change these words", () => this.edit(), "edit"),
      only("play", "Run from these words", () => this.app.runFrom(this.step), "run"))));
  }

  #showText() {
    const { step } = this;
    const fields = FIELDS[step.kind].filter(([name]) => step.fields[name]).map(([name, label]) =>
      h("div.field", {}, h("small", {}, label), fieldBody(step, name)));
    if (step.kind === "inspect") {
      const fault = Boolean(step.fields.correction);
      fields.unshift(h(`span.verdict.${fault ? "fault" : "fits"}`, {}, fault ? "Needs a fix" : "Fits so far"));
      fields[1]?.querySelector("small")?.classList.add("unseen");
    }
    const saved = reused(step);
    if (step.cut) fields.push(h("p.info", {}, CUT));
    this.body.replaceChildren(this.#head(), ...fields, ...(saved ? [h("p.info.saved", { title: REUSED }, saved)] : []), h("div.row", {}, ...this.#textActions()));
  }

  #textActions() {
    const { step, app } = this;
    const fault = step.kind === "inspect" && step.fields.correction;
    return [
      quiet("pencil", "Edit", () => this.edit(), { "data-do": "edit" }),
      fault && quiet("check", "Accept anyway", () => app.accept(step), { "data-do": "accept" }),
      step.kind === "inspect" && !fault &&
        quiet("brush", "Refine anyway", () => this.edit("correction"), { "data-do": "refine" }),
      this.#again(),
      this.#go(),
    ];
  }

  #again() {
    return quiet("again", "Again", () => this.app.again(this.step), { "data-do": "again", title: "Again, with a new seed" });
  }

  #go() {
    return this.go && quiet("play", this.go.label, () => this.app.runFrom(this.step), { "data-do": "run", title: this.go.title });
  }

  #showPicture() {
    const { step, app } = this;
    const url = app.imageUrl(step.image);
    const img = h("img", { alt: describe(step, app.model.pathTo(step.id)), loading: "lazy", draggable: "false" });
    const preview = app.model.previews.get(step.id);
    img.addEventListener("load", () => this.picture.style.setProperty("--ratio", Math.max(0.6, Math.min(2, img.naturalWidth / img.naturalHeight))));
    if (preview) img.src = app.url(preview);
    swapPicture(img, url);
    this.picture = h("button.pic", {
      type: "button", "aria-label": `Look at this ${STAGES[step.kind]} in the large view`, onclick: () => app.look(step.id),
    }, img);
    const info = step.start === "upload" ? "The model goes on from this picture by your words."
      : step.start ? "The model sees your words and this picture, and nothing from before."
      : step.author === "person" ? "The model looks at your picture from here on."
      : reused(step);
    this.body.replaceChildren(h("div.draw", {}, this.picture, h("div", {}, this.#head(),
      info && h("p.info", { title: info === reused(step) ? REUSED : null }, info)),
      h("div.row", {},
        quiet("brush", "Paint over", () => app.paint(step), { "data-do": "edit" }),
        quiet("picture", "Replace", () => app.replace(step), { "data-do": "replace" }),
        !step.start && this.#again(),
        quiet("compare", "Compare", () => app.compareWith(step), { "data-do": "compare" }),
        quiet("ask", "Ask", () => this.notes.ask(), { "data-do": "ask", title: "Ask the model about this picture" }),
        !step.start && quiet("anchor", "Start afresh from this", () => app.carryOn(step), { "data-do": "carry-on", title: CARRY_ON }),
        this.polish && quiet("polish", "Polish", () => app.polish(step), { "data-do": "polish", title: POLISH }),
        this.#go())));
  }
}

/** The step that is being made now. */
export class LiveCard {
  constructor(app) {
    this.app = app;
    this.node = h("article.card.live", { tabindex: -1, "data-live": true });
    this.kind = null;
  }

  update({ live, eta }) {
    const { app } = this;
    if (this.kind !== live.kind) {
      this.kind = live.kind;
      this.node.setAttribute("style", `--c:var(--${hue(live.kind)})`);
      this.node.setAttribute("aria-label", `${STAGES[live.kind]}, being made`);
      this.meta = h("span.meta");
      this.left = h("p.info");
      const head = h("header.head", {}, h("h3", {}, STAGES[live.kind]),
        h("span.who", {}, isPicture(live.kind) ? "drawing …" : "writing …"), this.meta);
      const stop = h("button.btn", { type: "button", onclick: () => app.stop(), "data-do": "stop" }, icon("stop"), "Stop");
      if (isPicture(live.kind)) {
        this.img = h("img", { alt: "", draggable: "false" });
        this.bar = h("i");
        this.node.replaceChildren(h("div.draw", {}, h("span.pic.wet", {}, this.img), h("div", {}, head,
          h("div.prog", { role: "progressbar", "aria-label": "Progress of the picture", "aria-valuemin": 0, "aria-valuemax": 100 }, this.bar),
          this.left), h("div.row", {}, stop)));
      } else {
        this.text = h("div.text.streaming", { dir: "auto" });
        this.node.replaceChildren(head, this.text, this.left, h("div.row", {}, stop));
      }
    }
    setText(this.left, eta ? `about ${seconds(eta)} left` : "");
    if (isPicture(live.kind)) {
      if (live.preview) swapPicture(this.img, app.url(live.preview));
      const share = live.total ? (100 * live.index) / live.total : 0;
      this.bar.style.width = `${share}%`;
      this.bar.parentNode.setAttribute("aria-valuenow", Math.round(share));
      setText(this.meta, live.total ? `${live.index} / ${live.total}` : "");
      this.node.querySelector(".pic").style.setProperty("--wet", `${(3 * (1 - share / 100)).toFixed(1)}px`);
    } else {
      setText(this.text, live.text.replace(/<[/\\]?\w*>?/g, " ").replace(/^#+ */gm, "").trim());
    }
  }
}
