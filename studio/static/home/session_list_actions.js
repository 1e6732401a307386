// What a person does on the first page and in the list of sessions. What it changes comes back over the log.

import { askYes } from "../dialogs/dialog.js";
import { editSettings } from "../dialogs/settings.js";
import { keepChosen, newSession } from "./new_session_settings.js";

export class SessionListActions {
  constructor({ tab, client, commands, navigation, redraw, toasts }) {
    Object.assign(this, { tab, client, commands, navigation, redraw, toasts });
  }

  /** Begins a session. Resolves with a sentence when that was not possible. */
  async create(prompt, upload = null) {
    const reply = await this.commands.send("create", { prompt, ...newSession(this.tab.about), upload, sid: null }, { quietly: true });
    if (!reply.ok) return reply.error;
    await this.navigation.open(reply.session);
    return null;
  }

  /** The settings of the sessions to come. */
  async editSettings() {
    const { about } = this.tab, { settings, seed } = newSession(about), shown = { ...about.settings, ...settings };
    const chosen = await editSettings({ settings: shown, seed, protocols: about.protocols, imageSizes: about.image_sizes, seedOptional: true });
    if (chosen) keepChosen(chosen, shown);
  }

  search(query) {
    this.tab.query = query;
    clearTimeout(this.searching);
    this.searching = setTimeout(() => this.refresh(), 150);
  }

  async refresh() {
    const { query } = this.tab;
    try {
      const found = await this.client.read(`studio/home/sessions?q=${encodeURIComponent(query.slice(0, 200))}`);
      if (query === this.tab.query) this.tab.sessions = found.sessions;
      this.redraw.soon();
    } catch {
      // The log says when the server is gone; the list stays as it was.
    }
  }

  rename({ id: sid }, title) {
    return this.commands.send("rename", { sid, title });
  }

  async duplicate({ id: sid }) {
    const reply = await this.commands.send("duplicate", { sid });
    if (reply) this.toasts.show("Duplicated.", { action: "Open it", onAction: () => this.navigation.open(reply.session) });
  }

  async delete({ id: sid, title }) {
    if (!(await askYes("Delete this session?", `This deletes “${title}” and all its branches. You can undo it right afterwards.`, "Delete"))) return;
    if (!(await this.commands.send("delete", { sid }))) return;
    if (this.tab.sid === sid) await this.navigation.open(null);
    this.toasts.show(`“${title}” was deleted.`, { action: "Undo", onAction: () => this.commands.send("restore", { sid }), seconds: 20 });
  }

  /** Opens a picture that Restroke made, as a session again. */
  async importFile(file) {
    if (!file) return;
    const reply = await this.client.upload("studio/import", file);
    if (!reply.ok) this.toasts.show(reply.error, { bad: true });
    else {
      await this.navigation.open(reply.session);
      this.toasts.show("Opened as a new session, with all the steps that led to this picture.");
    }
  }
}
