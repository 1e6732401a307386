// Begins: takes the component's element and the server's first words, and starts the tab's app in it.

import { App } from "./app.js";

/** `value()` gives the component's newest value: the greeting, then the replies to this tab's commands. */
export function mount({ element, trigger, value, watch }) {
  let app = null;
  const heard = () => {
    const said = value();
    if (!said) return;
    if (said.type === "hello" && !app) app = new App(element, trigger, said);
    else if (said.type === "reply") app?.answered(said);
  };
  watch(heard);
  heard();
}
