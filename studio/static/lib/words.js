// The words of the interface: names of steps and fields, times, and who did what.

export const STEP_NAMES = {
  prompt: "Your words", plan: "Plan", sketch: "Sketch", inspect: "Inspect", refine: "Refine",
  think: "Think", reflect: "Reflect", image: "Picture",
};

export const DOING = {
  plan: "planning", sketch: "sketching", inspect: "inspecting", refine: "refining",
  think: "thinking", reflect: "reflecting", image: "painting", step: "working",
};

export const FIELDS = {
  plan: [["instruction", "Do next"], ["description", "The whole picture after that"]],
  inspect: [["verdict", "Verdict"], ["correction", "What to fix"]],
  think: [["text", "What the picture should show"]],
  reflect: [["text", "What falls short"]],
  prompt: [["text", "Your words"]],
};

/** How to continue: its name, what it does, and its short name for the switch above the timeline. */
export const MODES = [
  ["auto", "Auto", "Continues by itself until the picture is finished.", "Auto"],
  ["pause_each", "Pause each step", "Waits for you after every step.", "Each step"],
  ["pause_on_fault", "Pause on a fault", "Waits for you when Inspect finds something wrong.", "On a fault"],
  ["one_step", "One step", "Makes one step and stops.", "One step"],
];

export const QUALITIES = [
  ["final", "Final", "Every stroke is computed."],
  ["draft", "Draft", "Much faster: half the strokes, and two out of three of the later ones are estimated. Good for trying things out."],
];

export const REFLECTIONS = [
  ["gentle", "Gently", "The words and the picture before count equally."],
  ["firm", "Firmly", "The words of the reflection count twice as much."],
];

export const POLISH = "Let the model say what this picture lacks, and redraw it";

export const isPicture = (kind) => kind === "sketch" || kind === "refine" || kind === "image";

/** The name of a step's colour: pictures share one, but for a refine. */
export const hue = (kind) => (isPicture(kind) && kind !== "refine" ? "sketch" : kind);

export const seconds = (value) => (value === null || value === undefined ? "" :
  value < 10 ? `${value.toFixed(1)} s` : value < 100 ? `${Math.round(value)} s` : `${Math.round(value / 60)} min`);

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

export const clip = (text, length) => {
  const signs = [...text];
  return signs.length > length ? signs.slice(0, length - 1).join("").trimEnd() + "…" : text;
};

export function ago(iso) {
  const then = new Date(iso), minutes = (Date.now() - then) / 60000;
  if (Number.isNaN(minutes)) return "";
  if (minutes < 2) return "now";
  if (minutes < 60) return `${Math.round(minutes)} min`;
  const today = new Date();
  const days = Math.round((new Date(today.toDateString()) - new Date(then.toDateString())) / 86400000);
  if (days === 0) return "today";
  if (days === 1) return "yesterday";
  if (days < 7) return then.toLocaleDateString("en", { weekday: "long" });
  return then.toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

/** What a picture shows, for people who don't see it: the plan it was drawn after. */
export function describe(step, path) {
  const at = path.findIndex((other) => other.id === step.id);
  const plan = path.slice(0, at).reverse().find((other) => other.kind === "plan" || other.kind === "prompt");
  const text = plan ? plan.fields.description || plan.fields.instruction || plan.fields.text : "";
  return clip(`${STEP_NAMES[step.kind]}: ${text}`, 300);
}
