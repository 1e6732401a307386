// The model's state: one honest line about it, and the button that stops its loading.

import { h } from "../lib/dom.js";
import { seconds } from "../lib/words.js";

/** What runs, and how fast it is, as measured in this way of working once it was. */
export function modelLine({ about, worker, session }) {
  if (worker.state === "loading") return worker.loaded ? `Loading the model: ${Math.floor(worker.loaded * 100)} %` : "Opening the model …";
  if (worker.state === "failed") return worker.cause;
  const name = (session?.settings || about.settings).protocol, pace = worker.paces[name];
  const hasRounds = about.protocols.find((protocol) => protocol.name === name)?.has_rounds;
  const measured = pace && `about ${seconds(pace)} ${hasRounds ? "a round" : "a picture"}`;
  if (session && measured) return `${worker.title}\n${measured}`;
  return [worker.about, measured].filter(Boolean).join(" · ");
}

/** A button that is shown while the model loads; on a computer of one's own only, elsewhere others may be waiting for it. */
export class StopLoading {
  constructor({ tab, commands }) {
    this.tab = tab;
    this.node = tab.about.own_computer ? h("button.btn.quiet", {
      type: "button", hidden: true, onclick: () => commands.send("stop_loading", { sid: null }),
    }, "Stop loading") : null;
  }

  render() {
    const { worker } = this.tab;
    if (this.node) this.node.hidden = !(worker.state === "loading" && worker.loaded);
  }
}
