// The list of sessions: pictures, names, search, and what can be done with one.

import { openDialog } from "../dialogs/dialog.js";
import { arrange, h, icon, setText, swapPicture } from "../lib/dom.js";
import { ago, count } from "../lib/words.js";

export class SessionList {
  /** `layout`: "grid" for the first page, "rows" for the column beside a session. */
  constructor({ tab, addresses, navigation, sessions }, layout) {
    Object.assign(this, { tab, addresses, navigation, sessions, rows: new Map() });
    this.search = h("input.find", {
      type: "search", placeholder: "Search sessions …", "aria-label": "Search sessions", dir: "auto", oninput: () => sessions.search(this.search.value),
    });
    this.list = h(`ul.sessions.${layout}`, { "aria-label": "Sessions" });
    this.none = h("p.info", {});
    this.node = h("section.session-list", { "aria-label": "Your sessions" }, this.search, this.none, this.list);
  }

  render() {
    const { tab } = this;
    if (document.activeElement !== this.search) this.search.value = tab.query;
    arrange(this.list, tab.sessions.map((summary) => this.#row(summary)));
    setText(this.none, tab.sessions.length ? "" : tab.query ? "No session matches." : "Your pictures will appear here.");
    this.search.hidden = !tab.sessions.length && !tab.query;
  }

  #row(summary) {
    const { addresses, navigation } = this;
    let row = this.rows.get(summary.id);
    if (!row) {
      row = { img: h("img", { alt: "", loading: "lazy" }), title: h("span.name", { dir: "auto" }), small: h("small") };
      row.pic = h("span.pic", {}, row.img);
      row.link = h("a.open", {
        href: addresses.page(summary.id),
        onclick: (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          navigation.open(summary.id);
        },
      }, row.pic, h("span.words", {}, row.title, row.small));
      row.more = h("button.btn.quiet.only.more", { type: "button", onclick: () => manage(row.summary, this.sessions) }, icon("more"));
      row.node = h("li.sess", { "data-session": summary.id }, row.link, row.more);
      this.rows.set(summary.id, row);
    }
    row.summary = summary;
    const here = this.tab.sid === summary.id;
    row.node.classList.toggle("on", here);
    if (here) row.link.setAttribute("aria-current", "page");
    else row.link.removeAttribute("aria-current");
    setText(row.title, summary.title);
    setText(row.small, `${count(summary.branches, "branch", "branches")} · ${ago(summary.updated)}`);
    row.more.setAttribute("aria-label", `Rename, duplicate or delete ${summary.title}`);
    if (summary.thumbnail) swapPicture(row.img, addresses.image(summary.id, summary.thumbnail));
    row.pic.classList.toggle("bare", !summary.thumbnail);
    return row.node;
  }
}

/** Asks what to do with a session, and does it. */
async function manage(summary, sessions) {
  const action = await openDialog("This session", (close) => {
    const name = h("input.input", { type: "text", value: summary.title, maxlength: 200, dir: "auto", autofocus: true });
    return [h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        close(() => sessions.rename(summary, name.value));
      },
    }, h("label.stack", {}, "Name", name), h("div.row", {},
      h("button.btn.main", { type: "submit" }, "Rename"),
      h("button.btn", { type: "button", onclick: () => close(() => sessions.duplicate(summary)) }, "Duplicate"),
      h("button.btn.danger", { type: "button", onclick: () => close(() => sessions.delete(summary)) }, "Delete")))];
  });
  action?.();
}
