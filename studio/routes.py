"""Our own routes beside Gradio's: snapshots, the event stream, pictures, uploads and the page's files.

Each asks for the token of the page; somebody else's session reads as not found. Types are fixed and
never guessed by the browser.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sessions import NotFound, StoreError
from studio.auth import DeniedError, owner_of
from studio.commands.messages import LONGEST_TEXT
from studio.event_log import EVERYONE, Event
from studio.state import StudioState
from studio.uploads import fit_picture, start_picture

log = logging.getLogger(__name__)

STATIC = Path(__file__).resolve().parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
BEAT_SECONDS = 10.0
GATHER_SECONDS = 0.02
"""Events that come this close together go out at once; of previews then only the newest."""
LARGEST_BODY = 64 * 2**20
SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
FOREVER = {**SAFE, "Cache-Control": "private, max-age=31536000, immutable"}

Handler = Callable[[Request, str], Any]


class TooLargeError(Exception):
    """An upload over the limit; the message is a whole sentence."""


def routes(state: StudioState) -> list[Route]:
    """The routes, to be given to Gradio's app when it is launched."""

    def own(handler: Handler) -> Callable:
        """Checks who asks, and turns every refusal into its sentence and a status."""

        async def endpoint(request: Request) -> Response:
            try:
                owner = owner_of(request.headers, loopback_only=state.loopback_only)
                if state.tokens.read("page", request.query_params.get("t", "")) != (owner,):
                    raise DeniedError("This page belongs to somebody else.")
                if asyncio.iscoroutinefunction(handler):
                    return await handler(request, owner)
                return await run_in_threadpool(handler, request, owner)
            except DeniedError as error:
                return _refusal(401, error)
            except NotFound as error:
                return _refusal(404, error)
            except TooLargeError as error:
                return _refusal(413, error)
            except StoreError as error:
                return _refusal(400, error)
            except Exception:
                log.exception("the request %s failed", request.url.path)
                return _refusal(500, "Something went wrong in Restroke. Nothing was lost; the log says more.")

        return endpoint

    def snapshot(request: Request, owner: str) -> Response:
        return _json(state.session_snapshot(owner, request.path_params["sid"]))

    def home_snapshot(request: Request, owner: str) -> Response:
        return _json(state.home_snapshot(owner))

    def sessions(request: Request, owner: str) -> Response:
        return _json({"sessions": state.summaries(owner, request.query_params.get("q", "")[:LONGEST_TEXT])})

    def hint(request: Request, owner: str) -> Response:
        return _json({"hint": state.hint(request.query_params.get("text", "")[:LONGEST_TEXT])})

    def image(request: Request, owner: str) -> Response:
        path = state.store.pictures.path(owner, request.path_params["sid"], request.path_params["digest"])
        return FileResponse(path, media_type="image/png", headers=FOREVER)

    def preview(request: Request, owner: str) -> Response:
        wanted = request.path_params
        state.store.sessions.get(owner, wanted["sid"])
        frame = state.previews.get(wanted["sid"], wanted["run"], wanted["number"])
        if frame is None:
            raise NotFound("This preview is gone; a newer one is there.")
        return Response(frame, media_type="image/jpeg", headers=FOREVER)

    def export(request: Request, owner: str) -> Response:
        sid, step = request.path_params["sid"], request.path_params["step"]
        data = state.store.pictures.export_png(owner, sid, step)
        name = f"restroke-{step[:8]}.png"  # never from a title: a person's text is no file name
        return Response(
            data,
            media_type="image/png",
            headers={**SAFE, "Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def upload(request: Request, owner: str) -> Response:
        data = await _body(request)
        return await run_in_threadpool(keep_upload, request, owner, data)

    def keep_upload(request: Request, owner: str, data: bytes) -> Response:
        sid = request.path_params["sid"]
        step = state.store.tree.step(owner, sid, request.query_params.get("step", ""))
        if step.image is None:
            raise NotFound("This card holds no picture.")
        picture, remark = fit_picture(data, state.store.pictures.load(owner, sid, step.image).size)
        digest = state.store.pictures.put(picture)
        handle = state.tokens.mint("upload", owner, sid, digest)
        return _json({"ok": True, "upload": handle, "remark": remark})

    async def begin(request: Request, owner: str) -> Response:
        data = await _body(request)
        return await run_in_threadpool(keep_start, owner, data)

    def keep_start(owner: str, data: bytes) -> Response:
        picture, remark = start_picture(data, state.model.image_sizes if state.model else None)
        digest = state.store.pictures.put(picture)
        handle = state.tokens.mint("start", owner, digest)
        return _json({"ok": True, "upload": handle, "remark": remark})

    async def bring(request: Request, owner: str) -> Response:
        data = await _body(request)
        session = await run_in_threadpool(state.store.pictures.import_png, owner, data)
        state.announcer.session_list(owner)
        return _json({"ok": True, "session": session.id})

    async def events(request: Request, owner: str) -> Response:
        sid = request.path_params["sid"]
        channels = [EVERYONE, f"owner:{owner}"]
        if sid != "home":
            await run_in_threadpool(state.store.sessions.get, owner, sid)
            channels.append(sid)
        after = request.headers.get("last-event-id") or request.query_params.get("after", "0")
        stream = _stream(state, request, channels, int(after) if after.isdigit() else 0)
        return StreamingResponse(
            stream,
            media_type="text/event-stream",
            headers={
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            },
        )

    return [
        Route("/studio/assets/{path:path}", _asset),
        Route("/studio/home/snapshot", own(home_snapshot)),
        Route("/studio/home/sessions", own(sessions)),
        Route("/studio/home/hint", own(hint)),
        Route("/studio/home/start", own(begin), methods=["POST"]),
        Route("/studio/import", own(bring), methods=["POST"]),
        Route("/studio/{sid}/snapshot", own(snapshot)),
        Route("/studio/{sid}/events", own(events)),
        Route("/studio/{sid}/image/{digest}", own(image)),
        Route("/studio/{sid}/preview/{run}/{number:int}", own(preview)),
        Route("/studio/{sid}/export/{step}", own(export)),
        Route("/studio/{sid}/upload", own(upload), methods=["POST"]),
    ]


def _asset(request: Request) -> Response:
    path = (STATIC / request.path_params["path"]).resolve()
    if path.suffix not in TYPES or not path.is_relative_to(STATIC) or not path.is_file():
        return _refusal(404, "There is no such file.")
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return FileResponse(path, media_type=TYPES[path.suffix], headers=headers)


def _json(values: dict[str, Any]) -> JSONResponse:
    return JSONResponse(values, headers={"Cache-Control": "no-store", **SAFE})


def _refusal(status: int, error: object) -> JSONResponse:
    return JSONResponse(
        {"ok": False, "error": str(error)}, status, headers={"Cache-Control": "no-store", **SAFE}
    )


async def _body(request: Request) -> bytes:
    """The upload, read no further than the limit."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LARGEST_BODY:
            raise TooLargeError(
                f"This file is larger than {LARGEST_BODY // 2**20} MB. Make it smaller and try again."
            )
    return bytes(data)


async def _stream(state: StudioState, request: Request, channels: list[str], seq: int) -> AsyncIterator[str]:
    """Events as they come, and a beat when none do, so that a tab notices a dead server.

    What others do wakes this too, so the silence is timed from the last word to this tab.
    """
    async with state.log.follow() as changed:
        yield "retry: 1000\n\nevent: beat\ndata: 0\n\n"
        said = time.monotonic()
        while not await request.is_disconnected():
            changed.clear()
            closed = state.log.closed
            for event in state.log.after(channels, seq):
                seq, said = event["seq"], time.monotonic()
                yield _wire(event)
            if closed:
                return
            silence = said + BEAT_SECONDS - time.monotonic()
            if silence <= 0:
                yield "event: beat\ndata: 0\n\n"
                said, silence = time.monotonic(), BEAT_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), silence)
                await asyncio.sleep(GATHER_SECONDS)


def _wire(event: Event) -> str:
    return f"id: {event['seq']}\ndata: {json.dumps(event)}\n\n"
