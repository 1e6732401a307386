// The settings of the open session: the mode, the settings dialog, what the model sees, and a branch's name.

import { askText } from "../dialogs/dialog.js";
import { editHistory } from "../dialogs/history.js";
import { changedSettings, editSettings } from "../dialogs/settings.js";

export class SessionSettings {
  constructor({ tab, commands, redraw }) {
    Object.assign(this, { tab, commands, redraw });
  }

  /** Shown at once: drawing the page anew before the answer must not set the switch back. */
  async setMode(mode) {
    const { session } = this.tab, before = session.settings.mode;
    const show = (now) => (session.settings = { ...session.settings, mode: now });
    show(mode);
    if (await this.commands.send("settings", { settings: { mode }, seed: null })) return;
    show(before);
    this.redraw.now();
  }

  async edit() {
    const { sid, session: { settings, seed }, about } = this.tab;
    const chosen = await editSettings({ settings, seed, protocols: about.protocols, imageSizes: about.image_sizes });
    if (chosen) await this.commands.send("settings", { sid, settings: changedSettings(settings, chosen.settings), seed: chosen.seed });
  }

  async editHistory() {
    const { sid, session, about } = this.tab, kept = session.settings.keep_rejected;
    const keep = await editHistory({ pictures: session.picturesInHistory(this.tab.branch), most: about.max_pictures, kept });
    if (keep !== null && keep !== kept) await this.commands.send("settings", { sid, settings: { keep_rejected: keep }, seed: null });
  }

  async renameBranch() {
    const { sid, session } = this.tab, branch = session.branch(this.tab.branch);
    const name = await askText("Name of this branch", { label: "Name", value: branch.name, action: "Rename" });
    if (name !== null) await this.commands.send("rename_branch", { sid, branch: branch.id, name });
  }
}
