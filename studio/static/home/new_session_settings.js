// The settings that a person chose for new sessions, kept in this browser. What was not chosen is the model's own.

import { changedSettings } from "../dialogs/settings.js";
import { drafts } from "../lib/drafts.js";

/**
 * {settings, seed} to begin a session with. While the model is being opened (`about.protocols` is empty) only what
 * was chosen, of the names this Restroke knows: the server fills in the rest once the model is there.
 */
export function newSession(about) {
  const saved = drafts.get("settings") || {}, usual = about.settings;
  const chosen = Object.fromEntries(Object.entries(saved.settings || {}).filter(([name]) => name in usual));
  const seed = saved.seed ?? null;
  if (!about.protocols.length) return { settings: chosen, seed };
  const settings = { ...usual, ...chosen };
  if (!about.protocols.some(({ name }) => name === settings.protocol)) settings.protocol = usual.protocol; // chosen for another model
  if (!about.image_sizes) Object.assign(settings, { height: null, width: null });
  return { settings, seed };
}

/** Keeps what was changed in a dialog that showed `shown`. */
export function keepChosen({ settings, seed }, shown) {
  const saved = drafts.get("settings") || {};
  drafts.set("settings", { settings: { ...saved.settings, ...changedSettings(shown, settings) }, seed });
}
