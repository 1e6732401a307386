// Says the news of the open session to people who listen to the page.

import { h, setText } from "../lib/dom.js";
import { DOING, STEP_NAMES, seconds } from "../lib/words.js";

export class Announcer {
  constructor() {
    this.node = h("div.unseen", { "aria-live": "polite", "aria-atomic": "true", "data-said": true });
  }

  /** Called with an event before `session` takes it. */
  tell(event, session) {
    const say = (text) => setText(this.node, text);
    const known = event.kind === "live" && session.live.get(event.run);
    if (event.kind === "live" && event.live?.kind !== known?.kind) say(`${DOING[event.live.kind] || "working"} …`);
    if (event.kind === "step") say(`${STEP_NAMES[event.step.kind]} is ready${event.step.seconds ? ` after ${seconds(event.step.seconds)}` : ""}.`);
    if (event.kind === "run" && event.run.cause) say(event.run.cause);
    if (event.kind === "run" && event.run.state === "cancelled") say("Stopped.");
  }
}
