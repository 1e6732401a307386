"""The Gradio shell: one page, one component, and the event that carries the timeline's commands.

The component's template is constant; data enters the page through our own scripts as text only.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from sessions import StoreError
from studio.auth import DeniedError, owner_of
from studio.commands import handle, refusal
from studio.state import StudioState

TITLE = "Restroke"
HEAD = """
<link rel="stylesheet" href="studio/assets/styles/theme.css">
<link rel="stylesheet" href="studio/assets/styles/controls.css">
<link rel="stylesheet" href="studio/assets/styles/session.css">
<link rel="stylesheet" href="studio/assets/styles/session_list.css">
<link rel="stylesheet" href="studio/assets/styles/home.css">
<link rel="stylesheet" href="studio/assets/styles/timeline.css">
<link rel="stylesheet" href="studio/assets/styles/picture.css">
<link rel="stylesheet" href="studio/assets/styles/tree.css">
<link rel="stylesheet" href="studio/assets/styles/dialogs.css">
<link rel="icon" type="image/svg+xml" href="studio/assets/icon.svg">
"""
# Runs once in the page; 'card_action' must occur here in quotes for Gradio to know the event.
ON_LOAD = """
import(new URL('studio/assets/app/main.js', document.baseURI).href).then(({ mount }) => mount({
  element: element.querySelector('.restroke'),
  trigger: (command) => trigger('card_action', command),
  value: () => props.value,
  watch: (heard) => watch('value', heard),
}));
"""


def timeline() -> gr.HTML:
    """The whole page as one component: its value is the greeting, then the replies to commands.

    No subclass of ``gr.HTML``: Gradio would write a ``.pyi`` file beside this one.
    """
    return gr.HTML(
        None,
        html_template='<div class="restroke"></div>',
        js_on_load=ON_LOAD,
        apply_default_css=False,
        elem_id="restroke",
    )


def build(state: StudioState) -> gr.Blocks:
    """The page. Commands are answered at once and never queue behind one another's work."""

    def greet(request: gr.Request) -> dict[str, Any]:
        owner = owner_of(request.headers, loopback_only=state.loopback_only)
        return {
            "type": "hello",
            "token": state.tokens.mint("page", owner),
            "snapshot": _first_view(state, owner, request.query_params.get("session")),
        }

    def act(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        try:
            owner = owner_of(request.headers, loopback_only=state.loopback_only)
        except DeniedError as error:
            return refusal(event._data, error)
        return handle(state, owner, event._data)

    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False) as page:
        component = timeline()
        quick = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
            "concurrency_limit": None,
        }
        page.load(greet, None, component, **quick)
        component.card_action(act, None, component, trigger_mode="multiple", **quick)
    return page


def _first_view(state: StudioState, owner: str, sid: str | None) -> dict[str, Any]:
    if not sid:
        return state.home_snapshot(owner)
    try:
        return state.session_snapshot(owner, sid)
    except StoreError as error:  # not there, or damaged: the first page opens all the same
        return {**state.home_snapshot(owner), "problem": str(error)}


def launch_options() -> dict[str, Any]:
    """How Gradio shows the page: no analytics, no run history, no fonts from elsewhere."""
    return {
        "head": HEAD,
        "theme": gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        "run_history": False,
        "footer_links": [],
        "quiet": True,
        "share": False,
        "prevent_thread_lock": True,
        "show_error": False,
    }
