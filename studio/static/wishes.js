// The settings that a person chose for new sessions, kept in this browser. What was not chosen is the model's own.

import { drafts } from "./drafts.js";

/**
 * {settings, seed} to begin a session with. While the model is being opened (`about.protocols` is empty) only what
 * was chosen, of the names this Restroke knows: the server fills in the rest once the model is there.
 */
export function newWish(about) {
  const saved = drafts.get("settings") || {}, usual = about.settings;
  const chosen = Object.fromEntries(Object.entries(saved.settings || {}).filter(([name]) => name in usual));
  const seed = saved.seed ?? null;
  if (!about.protocols.length) return { settings: chosen, seed };
  const settings = { ...usual, ...chosen };
  if (!about.protocols.some(({ name }) => name === settings.protocol)) settings.protocol = usual.protocol; // chosen for another model
  if (!about.canvas) Object.assign(settings, { height: null, width: null });
  return { settings, seed };
}

/** Keeps what was changed in a dialog that showed `shown`. */
export function keepWish({ settings, seed }, shown) {
  const saved = drafts.get("settings") || {};
  drafts.set("settings", { settings: { ...saved.settings, ...changes(shown, settings) }, seed });
}

/** The settings of `after` that are not as `before`; the two sides of a picture go together. */
export function changes(before, after) {
  const changed = Object.fromEntries(Object.entries(after).filter(([name, value]) => value !== before[name]));
  if ("height" in changed || "width" in changed) Object.assign(changed, { height: after.height, width: after.width });
  return changed;
}
