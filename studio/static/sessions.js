// The list of sessions: pictures, names, search, and what can be done with one.

import { openDialog } from "./dialogs.js";
import { arrange, h, icon, setText, swapPicture } from "./dom.js";
import { ago, count } from "./words.js";

export class SessionList {
  constructor(app, style) {
    this.app = app;
    this.rows = new Map();
    this.search = h("input.find", {
      type: "search", placeholder: "Search sessions …", "aria-label": "Search sessions", dir: "auto", oninput: () => app.searchSessions(this.search.value),
    });
    this.list = h(`ul.sessions.${style}`, { "aria-label": "Sessions" });
    this.none = h("p.info", {});
    this.node = h("section.session-list", { "aria-label": "Your sessions" }, this.search, this.none, this.list);
  }

  render() {
    const { app } = this;
    if (document.activeElement !== this.search) this.search.value = app.query;
    arrange(this.list, app.sessions.map((summary) => this.#row(summary)));
    setText(this.none, app.sessions.length ? "" : app.query ? "No session has these words." : "Your pictures will be kept here.");
    this.search.hidden = !app.sessions.length && !app.query;
  }

  #row(summary) {
    const { app } = this;
    let row = this.rows.get(summary.id);
    if (!row) {
      row = { img: h("img", { alt: "", loading: "lazy" }), title: h("span.name", { dir: "auto" }), small: h("small") };
      row.pic = h("span.pic", {}, row.img);
      row.link = h("a.open", {
        href: app.pageUrl(summary.id),
        onclick: (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          app.open(summary.id);
        },
      }, row.pic, h("span.words", {}, row.title, row.small));
      row.more = h("button.btn.quiet.only.more", { type: "button", onclick: () => manage(app, row.summary) }, icon("more"));
      row.node = h("li.sess", { "data-session": summary.id }, row.link, row.more);
      this.rows.set(summary.id, row);
    }
    row.summary = summary;
    const here = app.model?.sid === summary.id;
    row.node.classList.toggle("on", here);
    if (here) row.link.setAttribute("aria-current", "page");
    else row.link.removeAttribute("aria-current");
    setText(row.title, summary.title);
    setText(row.small, `${count(summary.branches, "branch", "branches")} · ${ago(summary.updated)}`);
    row.more.setAttribute("aria-label", `Rename, duplicate or delete ${summary.title}`);
    if (summary.thumbnail) swapPicture(row.img, app.imageUrl(summary.thumbnail, summary.id));
    row.pic.classList.toggle("bare", !summary.thumbnail);
    return row.node;
  }
}

async function manage(app, summary) {
  const wish = await openDialog("This session", (close) => {
    const name = h("input.input", { type: "text", value: summary.title, maxlength: 200, dir: "auto", autofocus: true });
    return [h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        close({ do: "rename", title: name.value });
      },
    }, h("label.stack", {}, "Name", name), h("div.row", {},
      h("button.btn.main", { type: "submit" }, "Rename"),
      h("button.btn", { type: "button", onclick: () => close({ do: "duplicate" }) }, "Duplicate"),
      h("button.btn.danger", { type: "button", onclick: () => close({ do: "delete" }) }, "Delete")))];
  });
  if (wish) app.manage(summary, wish);
}
