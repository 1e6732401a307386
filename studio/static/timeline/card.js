// One step, one card: its kind, author, time and seed, its text or picture, and what can be done from it.

import { h, icon, swapPicture } from "../lib/dom.js";
import { drafts } from "../lib/drafts.js";
import { FIELDS, POLISH, STEP_NAMES, describe, hue, isPicture, seconds } from "../lib/words.js";
import { Questions } from "./questions.js";
import { TextEditor } from "./text_editor.js";

const CUT = "The text was cut off at its maximum length. Edit the card to finish it yourself.";
const FRESH_START = "Continue from this picture alone: the model sees only your words and this picture. This branch stays as it is.";
const REUSED = "The model had already read these words and pictures, so it didn't have to read them again";

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
  if (step.author === "model") return [step.draft && "draft", step.wish && "one more, as you asked", step.attempt && `attempt ${step.attempt + 1}`].filter(Boolean).join(" · ");
  if (step.kind === "prompt") return step.edited_from ? "rewritten by you" : "";
  if (step.start) return step.start === "upload" ? "yours, to start from" : "started fresh from here";
  if (isPicture(step.kind)) return "your picture";
  return step.was ? `rewritten by you · was “${step.was}”` : "rewritten by you";
}

/** What a step did not have to read again, in a sentence; "" when that saved next to nothing. */
const reused = ({ reused: tokens, read, saved }) => (tokens && saved >= 0.1
  ? `${Math.floor((100 * tokens) / (tokens + (read || 0)))} % reused from cache, about ${seconds(saved)} saved.` : "");

export class Card {
  constructor(step, { tab, addresses, commands, focus, steps, pictures, viewing, hints }) {
    Object.assign(this, { step, tab, addresses, steps, pictures, viewing, hints, editor: null });
    this.draftKey = `${tab.sid}:${step.id}`;
    this.body = h("div.body");
    this.node = h(`article.card.${step.kind}`, {
      id: `card-${step.id.slice(0, 12)}`, tabindex: -1, "data-step": step.id, "data-kind": step.kind,
      style: `--c:var(--${hue(step.kind)})`,
      "aria-label": this.#label(),
      onfocusin: () => focus.mark(step.id),
      onclick: () => focus.mark(step.id),
    }, this.body);
    if (isPicture(step.kind)) {
      this.questions = new Questions(step, { tab, commands, onClose: () => this.node.focus({ preventScroll: true }) });
      this.node.append(this.questions.node);
    }
    if (drafts.get(this.draftKey)) this.edit(null);
    else this.#show();
  }

  #label() {
    const { step } = this;
    const state = step.kind === "inspect" ? (step.fields.correction ? ", needs a fix" : ", looks right so far") : "";
    return [STEP_NAMES[step.kind] + state, who(step)].filter(Boolean).join(", ");
  }

  /** Called on every render; a card being edited keeps what is typed. `go`: what its last button says, `polish`: whether it has that one. */
  update({ now, go, selected, polish }) {
    this.node.classList.toggle("now", now);
    if (now) this.node.setAttribute("aria-current", "step");
    else this.node.removeAttribute("aria-current");
    this.questions?.render();
    if (this.go?.label !== go?.label || this.polish !== polish) {
      Object.assign(this, { go, polish });
      if (!this.editor) this.#show();
    }
    this.picture?.setAttribute("aria-pressed", selected); // on what was shown last, so after it
  }

  edit(focus) {
    if (!FIELDS[this.step.kind]) return this.pictures.paint(this.step);
    if (this.editor) return this.editor.areas[focus || FIELDS[this.step.kind][0][0]].focus();
    this.editor = new TextEditor({
      step: this.step, draftKey: this.draftKey, focus, known: this.steps.versions(this.step),
      hint: (text, show) => this.hints.ask(text, show),
      onSave: (edited) => this.steps.saveEdit(this.step, edited),
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
    return h("header.head", {}, h("h3", {}, STEP_NAMES[step.kind]), h("span.who", { dir: "auto" }, who(step)),
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
      only("play", "Run from these words", () => this.steps.runFrom(this.step), "run"))));
  }

  #showText() {
    const { step } = this;
    const fields = FIELDS[step.kind].filter(([name]) => step.fields[name]).map(([name, label]) =>
      h("div.field", {}, h("small", {}, label), fieldBody(step, name)));
    if (step.kind === "inspect") {
      const fault = Boolean(step.fields.correction);
      fields.unshift(h(`span.verdict.${fault ? "fault" : "fits"}`, {}, fault ? "Needs a fix" : "Looks right so far"));
      fields[1]?.querySelector("small")?.classList.add("unseen");
    }
    const saved = reused(step);
    if (step.cut) fields.push(h("p.info", {}, CUT));
    this.body.replaceChildren(this.#head(), ...fields, ...(saved ? [h("p.info.saved", { title: REUSED }, saved)] : []), h("div.row", {}, ...this.#textActions()));
  }

  #textActions() {
    const { step } = this;
    const fault = step.kind === "inspect" && step.fields.correction;
    return [
      quiet("pencil", "Edit", () => this.edit(), { "data-do": "edit" }),
      fault && quiet("check", "Accept anyway", () => this.steps.accept(step), { "data-do": "accept" }),
      step.kind === "inspect" && !fault &&
        quiet("brush", "Refine anyway", () => this.edit("correction"), { "data-do": "refine" }),
      this.#again(),
      this.#go(),
    ];
  }

  #again() {
    return quiet("again", "Again", () => this.steps.again(this.step), { "data-do": "again", title: "Again, with a new seed" });
  }

  #go() {
    return this.go && quiet("play", this.go.label, () => this.steps.runFrom(this.step), { "data-do": "run", title: this.go.title });
  }

  #showPicture() {
    const { step, steps, pictures, addresses } = this, { session, sid } = this.tab;
    const url = addresses.image(sid, step.image);
    const img = h("img", { alt: describe(step, session.pathTo(step.id)), loading: "lazy", draggable: "false" });
    const preview = session.previews.get(step.id);
    img.addEventListener("load", () => this.picture.style.setProperty("--ratio", Math.max(0.6, Math.min(2, img.naturalWidth / img.naturalHeight))));
    if (preview) img.src = addresses.of(preview);
    swapPicture(img, url);
    this.picture = h("button.pic", {
      type: "button", "aria-label": `Show this ${STEP_NAMES[step.kind]} in the large view`, onclick: () => this.viewing.look(step.id),
    }, img);
    const info = step.start === "upload" ? "The model continues from this picture, following your words."
      : step.start ? "The model sees your words and this picture, and nothing from before."
      : step.author === "person" ? "From here on the model works with your picture."
      : reused(step);
    this.body.replaceChildren(h("div.draw", {}, this.picture, h("div", {}, this.#head(),
      info && h("p.info", { title: info === reused(step) ? REUSED : null }, info)),
      h("div.row", {},
        quiet("brush", "Paint over", () => pictures.paint(step), { "data-do": "edit" }),
        quiet("picture", "Replace", () => pictures.replace(step), { "data-do": "replace" }),
        !step.start && this.#again(),
        quiet("compare", "Compare", () => this.viewing.compareWith(step), { "data-do": "compare" }),
        quiet("ask", "Ask", () => this.questions.ask(), { "data-do": "ask", title: "Ask the model about this picture" }),
        !step.start && quiet("anchor", "Start fresh from this", () => pictures.freshStart(step), { "data-do": "fresh-start", title: FRESH_START }),
        this.polish && quiet("polish", "Polish", () => steps.polish(step), { "data-do": "polish", title: POLISH }),
        this.#go())));
  }
}
