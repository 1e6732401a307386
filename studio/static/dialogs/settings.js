// The settings of a session in plain words, as a dialog.

import { h, icon } from "../lib/dom.js";
import { MODES, QUALITIES, REFLECTIONS } from "../lib/words.js";
import { openDialog } from "./dialog.js";
import { SizePicker } from "./size_picker.js";

const number = (label, help, props) => {
  const input = h("input.input", { type: "number", inputmode: "decimal", required: true, ...props });
  return [input, h("label.stack", {}, h("b", {}, label), input, h("small", {}, help))];
};

const choice = (title, name, options, now) => h("fieldset", {}, h("legend", {}, title),
  ...options.map(([value, label, sentence]) => h("label.option", {},
    h("input", { type: "radio", name, value, checked: value === now }),
    h("span", {}, h("b", {}, label), h("small", {}, sentence)))));

/** A model that draws one size only: a size of another model's, which an opened session may have, goes. */
const NO_SIZE = { height: null, width: null };

/** Resolves with {settings, seed} or null. `seed` null means "a new one each time". No `protocols`: the model is not there yet. */
export function editSettings({ settings, seed, protocols, imageSizes, seedOptional }) {
  return openDialog("Settings", (close) => {
    const offered = protocols.find(({ name }) => name === settings.protocol) || protocols[0];
    const reflecting = protocols.find(({ reflects }) => reflects);
    const [rounds, roundsBox] = number("Maximum rounds", "One round is a plan, a sketch and a look at it.",
      { min: 1, max: 20, step: 1, value: settings.max_rounds });
    const [pictures, picturesBox] = number("Maximum pictures", "For each branch, redrawn ones included.",
      { min: 1, max: 50, step: 1, value: settings.max_images });
    const [strokes, strokesBox] = number("Strokes for each picture", "More strokes are finer and take longer.",
      { min: 1, max: 199, step: 1, value: settings.timesteps - 1 });
    const [guidance, guidanceBox] = number("How closely it follows the words", "0 is free, 2 to 5 is usual, 10 is stiff.",
      { min: 0, max: 20, step: 0.1, value: settings.guidance });
    const [seedField, seedBox] = number("Seed", seedOptional ? "The same seed and words give the same picture. Leave empty for a new one each time."
      : "For the steps made from now on.", { min: 0, max: 4294967295, step: 1, value: seed ?? "" });
    seedField.required = !seedOptional;
    const [turns, turnsBox] = number("Pictures with reflection", `For “${reflecting?.title}”: how many pictures, including the first. 2 is usual.`,
      { min: 1, max: 4, step: 1, value: settings.turns });
    const size = imageSizes && new SizePicker(imageSizes, settings);
    const dice = h("button.btn.quiet", {
      type: "button", onclick: () => (seedField.value = Math.floor(Math.random() * 100000)),
    }, icon("again"), "Another one");
    const form = h("form.settings", {
      onsubmit: (event) => {
        event.preventDefault();
        close({
          settings: {
            ...settings, protocol: form.elements.protocol?.value || settings.protocol, mode: form.elements.mode.value,
            quality: form.elements.quality.value,
            reflection: form.elements.reflection?.value || settings.reflection, ...(size ? size.value : protocols.length && NO_SIZE),
            max_rounds: Number(rounds.value), max_images: Number(pictures.value), turns: Number(turns.value), timesteps: Number(strokes.value) + 1, guidance: Number(guidance.value),
          },
          seed: seedField.value === "" ? null : Number(seedField.value),
        });
      },
    },
    offered ? choice("Way of working", "protocol", protocols.map(({ name, title, sentence }) => [name, title, sentence]), offered.name)
      : h("p.info", {}, "The model is still loading. What you leave unchanged here will follow its defaults; you can choose its ways of working and sizes once it is loaded."),
    choice("How to continue", "mode", MODES, settings.mode),
    choice("Picture quality", "quality", QUALITIES, settings.quality),
    size?.node,
    reflecting && choice("Redrawing after a reflection", "reflection", REFLECTIONS, settings.reflection),
    h("div.pairs", {}, roundsBox, picturesBox, reflecting && turnsBox, strokesBox, guidanceBox, h("div.seed", {}, seedBox, dice)),
    h("div.row.end", {}, h("button.btn", { type: "button", onclick: () => close() }, "Cancel"),
      h("button.btn.main", { type: "submit" }, "Save settings")));
    return [form];
  }, { wide: true });
}

/** The settings of `after` that are not as `before`; the two sides of a picture go together. */
export function changedSettings(before, after) {
  const changed = Object.fromEntries(Object.entries(after).filter(([name, value]) => value !== before[name]));
  if ("height" in changed || "width" in changed) Object.assign(changed, { height: after.height, width: after.width });
  return changed;
}
