// Sends commands about the open session and takes what they made into the page.

const NOT_SENT = "Restroke isn't responding, so nothing was sent. Your text is kept; try again when it is back.";

export class Commands {
  constructor({ tab, client, stream, navigation, focus, toasts }) {
    Object.assign(this, { tab, client, stream, navigation, focus, toasts });
  }

  /** A refusal becomes a toast, unless `quietly`. Resolves with the reply, or with null when it was refused aloud. */
  async send(action, values = {}, { quietly = false } = {}) {
    const payload = { sid: this.tab.sid, ...values };
    const reply = await this.client.send(action, payload, this.tab.online === false ? NOT_SENT : null);
    if (!reply.ok && !quietly) this.toasts.show(reply.error, { bad: true });
    if (reply.ok && reply.branch && this.tab.sid === payload.sid) this.#arrive(reply); // else another one was opened meanwhile
    return reply.ok || quietly ? reply : null;
  }

  /** What the reply made is shown at once, unless the log was quicker: it may have told of later news since. */
  #arrive({ branch, made, step }) {
    for (const event of made || []) if (event.seq > this.stream.seq) this.tab.session.apply(event);
    this.navigation.travel(branch, { push: branch !== this.tab.branch });
    if (step) this.focus.reveal(step);
  }
}
