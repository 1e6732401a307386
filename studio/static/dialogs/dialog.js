// Dialogs. The browser's own <dialog> keeps the focus inside and closes on Esc.

import { h, icon } from "../lib/dom.js";

let host = null;

export function hostDialogs(root) {
  host = root;
}

/** Opens a dialog; `build(close)` gives its content. Resolves with what `close(value)` was given, null on Esc. */
export function openDialog(title, build, { wide = false } = {}) {
  const back = document.activeElement;
  return new Promise((resolve) => {
    let value = null, outside = false;
    const close = (result = null) => {
      value = result;
      node.close();
    };
    const heading = h("h2", { id: "dialog-title", dir: "auto" }, title);
    const node = h(`dialog.dialog${wide ? ".wide" : ""}`, {
      "aria-labelledby": "dialog-title",
      onclose: () => {
        node.remove();
        back?.isConnected && back.focus({ preventScroll: true });
        resolve(value);
      },
      // A press that begins in a field, to select its words, may end out there: that doesn't close it.
      onpointerdown: (event) => (outside = event.target === node),
      onclick: (event) => outside && event.target === node && close(),
      onkeydown: (event) => event.stopPropagation(),
    });
    node.append(h("div.dialog-box", {}, h("header.dialog-head", {}, heading,
      h("button.btn.quiet.only", { type: "button", "aria-label": "Close", onclick: () => close() }, icon("close"))), ...build(close)));
    host.append(node);
    node.showModal();
    (node.querySelector("[autofocus]") || node.querySelector("textarea, input, .btn.main, .choice") || heading).focus();
  });
}

/** A question with a text field. Resolves with the text, or null. */
export function askText(title, { label, value = "", action, placeholder = "" }) {
  return openDialog(title, (close) => {
    const field = h("input.input", { type: "text", value, placeholder, maxlength: 200, dir: "auto", autofocus: true });
    return [h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        close(field.value);
      },
    }, h("label.stack", {}, label, field), h("div.row.end", {},
      h("button.btn", { type: "button", onclick: () => close() }, "Cancel"), h("button.btn.main", { type: "submit" }, action)))];
  });
}

/** A yes-or-no question. Resolves with true or false. */
export async function askYes(title, text, action) {
  return Boolean(await openDialog(title, (close) => [
    h("p", { dir: "auto" }, text),
    h("div.row.end", {}, h("button.btn", { type: "button", autofocus: true, onclick: () => close() }, "Cancel"),
      h("button.btn.danger", { type: "button", onclick: () => close(true) }, action)),
  ]));
}

/** Choosing one of some pictures. `choices`: [{value, url, label}]. Resolves with the value, or null. */
export function choosePicture(title, choices) {
  return openDialog(title, (close) => [h("div.choices", {}, ...choices.map(({ value, url, label }) =>
    h("button.choice", { type: "button", onclick: () => close(value) },
      h("img", { src: url, alt: "", loading: "lazy" }), h("span", { dir: "auto" }, label))))], { wide: true });
}
