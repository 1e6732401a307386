// The app of one tab: makes its parts and ties them together, hears the server's news and draws the page.

import { hostDialogs } from "../dialogs/dialog.js";
import { Toasts } from "../dialogs/toasts.js";
import { HomePage } from "../home/home_page.js";
import { SessionListActions } from "../home/session_list_actions.js";
import { Addresses } from "../lib/addresses.js";
import { CommandClient } from "../lib/command_client.js";
import { h } from "../lib/dom.js";
import { EventStream } from "../lib/event_stream.js";
import { Redraw } from "../lib/redraw.js";
import { PictureActions } from "../picture/picture_actions.js";
import { Viewing } from "../picture/viewing.js";
import { SessionPage } from "../session/session_page.js";
import { SessionSettings } from "../session/session_settings.js";
import { Tab } from "../state/tab.js";
import { CardFocus } from "../timeline/card_focus.js";
import { StepActions } from "../timeline/step_actions.js";
import { Announcer } from "./announcer.js";
import { Commands } from "./commands.js";
import { receiveDrops } from "./drops.js";
import { listenToKeys } from "./keyboard.js";
import { Navigation } from "./navigation.js";
import { WordHints } from "./word_hints.js";

export class App {
  /** `trigger(payload)` sends a command; `hello` is what the server said when the page was opened. */
  constructor(root, trigger, hello) {
    const tab = (this.tab = new Tab());
    tab.about = hello.snapshot.about;
    const addresses = (this.addresses = new Addresses(new URL(".", document.baseURI), hello.token));
    const client = (this.client = new CommandClient(trigger, addresses));
    const redraw = (this.redraw = new Redraw(() => this.#render()));
    const toasts = (this.toasts = new Toasts());
    this.announcer = new Announcer();
    const stream = new EventStream({
      address: (after) => addresses.of(`studio/${tab.sid || "home"}/events?after=${after}`),
      onEvent: (event) => this.#heard(event),
      onState: (online) => this.#online(online),
      onDoubt: () => this.#doubts(),
    });
    const navigation = (this.navigation = new Navigation({
      tab, client, addresses, stream, redraw, toasts,
      onLoaded: ({ fresh }) => this.#loaded(fresh),
      onOpened: () => (tab.session ? this.sessionPage : this.homePage).focus(),
    }));
    const focus = new CardFocus({ tab, navigation, redraw, timeline: () => this.sessionPage.timeline });
    const commands = new Commands({ tab, client, stream, navigation, focus, toasts });
    const steps = new StepActions({ tab, commands });
    const viewing = new Viewing({ tab, addresses, redraw, toasts });
    this.sessions = new SessionListActions({ tab, client, commands, navigation, redraw, toasts });
    const parts = {
      tab, addresses, client, commands, navigation, focus, steps, viewing, sessions: this.sessions,
      pictures: new PictureActions({ tab, client, commands, addresses, navigation, focus, toasts }),
      settings: new SessionSettings({ tab, commands, redraw }),
      hints: new WordHints({ tab, client }),
    };
    this.homePage = new HomePage(parts);
    this.sessionPage = new SessionPage(parts);
    this.banner = h("div.banner", { role: "alert", hidden: true },
      h("b", {}, "Restroke isn't responding."), " Your text is kept here; the page continues by itself once Restroke is back.");
    this.node = h("div.rs", {}, this.banner, this.homePage.node, this.sessionPage.node, toasts.node, this.announcer.node);
    root.replaceChildren(this.node);
    hostDialogs(this.node);
    listenToKeys({ tab, focus, steps, viewing });
    receiveDrops(this.node, (file) => this.sessions.importFile(file));
    navigation.show(hello.snapshot);
  }

  /** Called with every reply that reaches this tab. */
  answered(reply) {
    this.client.answered(reply);
  }

  #loaded(fresh) {
    this.homePage.learn(this.tab.about);
    if (fresh && this.tab.session) this.sessionPage.begin();
  }

  #render() {
    const { session } = this.tab, page = session ? this.sessionPage : this.homePage;
    this.homePage.node.hidden = Boolean(session);
    this.sessionPage.node.hidden = !session;
    document.title = session ? `${session.title} · Restroke` : "Restroke";
    page.render();
  }

  #heard(event) {
    const { tab } = this;
    if (event.kind === "resync") this.navigation.reload();
    else if (event.kind === "sessions") this.sessions.refresh();
    else if (event.kind === "worker") this.#working(event.worker);
    else if (event.kind === "reply") this.answered(event);
    else if (tab.session) {
      const before = tab.followsDrawing && tab.shownPicture()?.id;
      this.announcer.tell(event, tab.session);
      tab.session.apply(event);
      if (event.kind === "step" && event.branch.id === tab.branch && before !== false) tab.chosen = null;
    }
    this.redraw.soon();
  }

  /** The model's state. Once it is there, the page learns what it can do; what a person is at meanwhile stays. */
  #working(worker) {
    if (this.tab.worker.state === "loading" && worker.state === "ready") this.navigation.reload();
    else this.tab.worker = worker;
  }

  #online(online) {
    this.banner.hidden = online;
    this.tab.online = online;
  }

  /** The log can't be followed. A server that is there says why: another key since a restart, or a session deleted elsewhere. */
  async #doubts() {
    const { sid } = this.tab;
    const answer = await fetch(this.addresses.of(`studio/${sid || "home"}/snapshot`)).catch(() => null);
    if (!answer || answer.ok || this.tab.sid !== sid) return;
    const { error } = await answer.json().catch(() => ({}));
    if (answer.status === 404) {
      this.toasts.show(error, { bad: true });
      this.#online(true);
      this.navigation.open(null);
    } else if (answer.status === 401) {
      this.banner.replaceChildren(h("b", {}, "Restroke has restarted since you opened this page."), " Your text is kept here. ",
        h("button.link", { type: "button", onclick: () => location.reload() }, "Reload"));
    }
  }
}
