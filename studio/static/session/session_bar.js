// The bar above the timeline: the branch, how to continue, the settings, and how much the model sees.

import { arrange, h, icon, setText } from "../lib/dom.js";
import { MODES, clip, count } from "../lib/words.js";

export class SessionBar {
  constructor({ tab, navigation, settings }) {
    Object.assign(this, { tab, options: new Map() });
    this.branches = h("select.chip.branch", { "aria-label": "Branch", onchange: () => navigation.travel(this.branches.value) });
    this.mode = new ModeSwitch((mode) => settings.setMode(mode));
    this.history = new HistoryChip(() => settings.editHistory());
    this.node = h("div.bar", {}, this.branches, this.mode.node,
      h("button.chip", { type: "button", onclick: () => settings.edit(), "data-do": "settings", "aria-label": "Settings", title: "Settings" },
        icon("gear"), h("span.label", {}, "Settings")),
      this.history.node);
  }

  render() {
    const { session, branch, about } = this.tab;
    arrange(this.branches, session.branches.map((each) => this.#option(each)));
    this.branches.value = branch;
    this.mode.render(session.settings.mode);
    this.history.render(session.picturesInHistory(branch), about.max_pictures);
  }

  #option(branch) {
    if (!this.options.has(branch.id)) this.options.set(branch.id, h("option", { value: branch.id }));
    const option = this.options.get(branch.id);
    setText(option, clip(branch.name, 40));
    return option;
  }
}

class ModeSwitch {
  constructor(onChange) {
    this.buttons = MODES.map(([mode, title, sentence, short]) => {
      const input = h("input", { type: "radio", name: "mode", value: mode, "aria-label": title, onchange: () => onChange(mode) });
      return [input, h("label", { title: `${title}: ${sentence}` }, input, h("span", {}, short))];
    });
    this.node = h("fieldset.seg", {}, h("legend.unseen", {}, "How to continue"), ...this.buttons.map(([, label]) => label));
  }

  render(mode) {
    for (const [input] of this.buttons) input.checked = input.value === mode;
  }
}

/** How many pictures the model sees, of how many at most. */
class HistoryChip {
  constructor(onOpen) {
    this.text = h("span");
    this.fill = h("i");
    this.node = h("button.chip.history", {
      type: "button", onclick: onOpen, "data-do": "history",
    }, icon("history"), this.text, h("span.level", { "aria-hidden": "true" }, this.fill));
  }

  render(pictures, most) {
    this.node.hidden = !pictures;
    setText(this.text, `${pictures} of ${most}`);
    const whole = `The model sees ${count(pictures, "picture")}, of at most ${most}`;
    this.node.title = whole;
    this.node.setAttribute("aria-label", whole);
    this.fill.style.width = `${Math.min(100, (100 * pictures) / most)}%`;
    this.node.classList.toggle("full", pictures > 0.75 * most);
  }
}
