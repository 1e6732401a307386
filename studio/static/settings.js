// Settings in plain words: a dialog for all of them, and the switch for the mode of going.

import { openDialog } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { SizePicker } from "./sizes.js";
import { MODES, QUALITIES, REFLECTIONS } from "./words.js";

/** The mode switch of a session's bar. */
export class ModeSwitch {
  constructor(onChange) {
    this.buttons = MODES.map(([mode, title, sentence, short]) => {
      const input = h("input", { type: "radio", name: "mode", value: mode, "aria-label": title, onchange: () => onChange(mode) });
      return [input, h("label", { title: `${title}: ${sentence}` }, input, h("span", {}, short))];
    });
    this.node = h("fieldset.seg", {}, h("legend.unseen", {}, "How to go on"), ...this.buttons.map(([, label]) => label));
  }

  render(mode) {
    for (const [input] of this.buttons) input.checked = input.value === mode;
  }
}

const number = (label, help, props) => {
  const input = h("input.input", { type: "number", inputmode: "decimal", required: true, ...props });
  return [input, h("label.stack", {}, h("b", {}, label), input, h("small", {}, help))];
};

/** A model that draws one size only: a size of another model's, which an opened session may have, goes. */
const NO_SIZE = { height: null, width: null };

/** Resolves with {settings, seed} or null. `seed` null means "a new one each time". No `protocols`: the model is not there yet. */
export function editSettings({ settings, seed, protocols, canvas, seedOptional }) {
  return openDialog("Settings", (close) => {
    const offered = (name) => protocols.find((protocol) => protocol.name === name);
    const pick = (name, options, now) => options.map(([value, title, sentence]) => h("label.option", {},
      h("input", { type: "radio", name, value, checked: value === now }),
      h("span", {}, h("b", {}, title), h("small", {}, sentence))));
    const [rounds, roundsBox] = number("Rounds at most", "One round is a plan, a sketch and a look at it.",
      { min: 1, max: 20, step: 1, value: settings.max_rounds });
    const [pictures, picturesBox] = number("Pictures at most", "Of one branch, with those that were drawn again.",
      { min: 1, max: 50, step: 1, value: settings.max_images });
    const [strokes, strokesBox] = number("Strokes for each picture", "More strokes are finer and take longer.",
      { min: 1, max: 199, step: 1, value: settings.timesteps - 1 });
    const [guidance, guidanceBox] = number("How closely it follows the words", "0 is free, 2 to 5 is usual, 10 is stiff.",
      { min: 0, max: 20, step: 0.1, value: settings.guidance });
    const [seedField, seedBox] = number("Seed", seedOptional ? "The same seed and words give the same picture. Empty: a new one each time."
      : "For the steps that are made from now on.", { min: 0, max: 4294967295, step: 1, value: seed ?? "" });
    seedField.required = !seedOptional;
    const [turns, turnsBox] = number("Pictures with reflection", "For “Think and reflect”: how many pictures, the first one too. 2 is usual.",
      { min: 1, max: 4, step: 1, value: settings.turns });
    const size = canvas && new SizePicker(canvas, settings);
    const dice = h("button.btn.quiet", {
      type: "button", onclick: () => (seedField.value = Math.floor(Math.random() * 100000)),
    }, icon("again"), "Another one");
    const form = h("form.settings", {
      onsubmit: (event) => {
        event.preventDefault();
        close({
          settings: {
            ...settings, protocol: form.elements.protocol?.value || settings.protocol, mode: form.elements.going.value,
            quality: form.elements.quality.value,
            reflection: form.elements.reflection?.value || settings.reflection, ...(size ? size.value : protocols.length && NO_SIZE),
            max_rounds: Number(rounds.value), max_images: Number(pictures.value), turns: Number(turns.value), timesteps: Number(strokes.value) + 1, guidance: Number(guidance.value),
          },
          seed: seedField.value === "" ? null : Number(seedField.value),
        });
      },
    },
    protocols.length ? h("fieldset", {}, h("legend", {}, "Way of working"), ...pick("protocol", protocols.map((p) => [p.name, p.title, p.sentence]), (offered(settings.protocol) || protocols[0]).name))
      : h("p.info", {}, "The model is not there yet. What you leave as it is here will be as the model has it; its ways of working and sizes can be chosen then."),
    h("fieldset", {}, h("legend", {}, "How to go on"), ...pick("going", MODES, settings.mode)),
    h("fieldset", {}, h("legend", {}, "Quality of pictures"), ...pick("quality", QUALITIES, settings.quality)),
    size?.node,
    offered("irg") && h("fieldset", { "data-for": "irg" }, h("legend", {}, "Drawing again after a reflection"), ...pick("reflection", REFLECTIONS, settings.reflection)),
    h("div.pairs", {}, roundsBox, picturesBox, offered("irg") && turnsBox, strokesBox, guidanceBox, h("div.seed", {}, seedBox, dice)),
    h("div.row.end", {}, h("button.btn", { type: "button", onclick: () => close() }, "Cancel"),
      h("button.btn.main", { type: "submit" }, "Save settings")));
    return [form];
  }, { wide: true });
}
