// The first page: words to begin with, examples, and earlier pictures.

import { growWithText, h, icon, setText } from "../lib/dom.js";
import { drafts } from "../lib/drafts.js";
import { StopLoading, modelLine } from "./model_status.js";
import { SessionList } from "./session_list.js";
import { StartPicture } from "./start_picture.js";

const LIMIT = 4000;

export class HomePage {
  constructor(parts) {
    const { tab, client, sessions, hints } = parts;
    Object.assign(this, { tab, sessions, hints });
    this.words = h("textarea.first-words", {
      rows: 2, dir: "auto", placeholder: "A red house left of a green tree at night", "aria-label": "What should the picture show?",
      value: drafts.get("prompt") || "", oninput: () => this.#typed(),
      onkeydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        this.begin();
      },
    });
    growWithText(this.words);
    this.problem = h("p.problem", { role: "alert" });
    this.hint = h("p.hint", { "aria-live": "polite" });
    this.button = h("button.btn.main.big", { type: "submit" }, icon("stroke"), "Paint it");
    this.start = new StartPicture(client, (text) => setText(this.problem, text));
    const file = h("input", { type: "file", accept: "image/png", class: "unseen", "aria-label": "A Restroke picture to open again", onchange: () => sessions.importFile(file.files[0]).finally(() => (file.value = "")) });
    this.list = new SessionList(parts, "grid");
    this.modelLine = h("span");
    this.stopLoading = new StopLoading(parts);
    this.examples = h("ul.examples", { "aria-label": "Examples" });
    this.node = h("div.home", {},
      h("header.home-top", {}, h("span.brand", {}, icon("stroke"), "Restroke"), h("p.model", {}, this.modelLine, this.stopLoading.node)),
      h("div.home-main", {},
        h("h1", {}, "What should we paint?"),
        h("p.lead", {}, "The model plans, sketches, looks at the sketch and corrects it. Every step is a card that you can rewrite."),
        h("form.begin", {
          onsubmit: (event) => {
            event.preventDefault();
            this.begin();
          },
        }, this.words, this.start.shown, this.hint, this.problem, h("div.row", {}, this.button,
          h("div.row.ways", {}, this.start.button,
            h("button.btn", { type: "button", onclick: () => sessions.editSettings() }, icon("gear"), "Settings")))),
        this.examples,
        h("section.before", { "aria-label": "Earlier pictures" }, h("div.before-head", {}, h("h2", {}, "Earlier pictures"),
          h("label.btn.file", {}, icon("picture"), "Open a Restroke picture", file)), this.list.node)));
  }

  /** Takes what the server says it can do: once at the beginning, and again when the model is there. */
  learn(about) {
    const news = JSON.stringify(about);
    if (news === this.known) return;
    this.known = news;
    this.examples.replaceChildren(...about.examples.map((text) => h("li", {}, h("button.chip", {
      type: "button",
      onclick: () => {
        this.words.value = text;
        this.#typed();
        this.words.dispatchEvent(new Event("input"));
        this.words.focus();
      },
    }, text))));
    if (this.words.value) this.#askHint();
  }

  focus() {
    this.words.focus({ preventScroll: true });
  }

  #typed() {
    drafts.set("prompt", this.words.value);
    this.#askHint();
    const length = [...this.words.value].length;
    setText(this.problem, length > LIMIT
      ? `This is ${length.toLocaleString("en")} characters; the limit is ${LIMIT.toLocaleString("en")}. Shorten it to begin. Nothing is lost.` : "");
    this.button.disabled = Boolean(this.beginning) || length > LIMIT;
  }

  /** Says gently which words the model doesn't know; only a model that has a list of its words is asked. */
  #askHint() {
    this.hints.ask(this.words.value, (text) => setText(this.hint, text));
  }

  async begin() {
    if (this.button.disabled) return;
    if (!this.words.value.trim()) {
      setText(this.problem, "Write what the picture should show, or click an example.");
      this.words.focus();
      return;
    }
    this.beginning = this.button.disabled = true;
    // A person who is quicker than the upload still means the picture; one that is refused has said why.
    const refused = (await this.start.arriving) === false;
    this.words.readOnly = true; // what is written from here on would be lost
    const problem = refused ? this.problem.textContent : await this.sessions.create(this.words.value, this.start.upload);
    this.beginning = this.button.disabled = this.words.readOnly = false;
    setText(this.problem, problem || "");
    if (problem) return;
    this.words.value = "";
    this.start.drop();
    setText(this.hint, "");
    drafts.drop("prompt");
  }

  render() {
    setText(this.modelLine, modelLine(this.tab));
    this.stopLoading.render();
    this.list.render();
  }
}
