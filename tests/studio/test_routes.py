"""Who may read what, with which type, and what bad uploads get."""

from __future__ import annotations

import asyncio
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from studio import routes
from studio.auth import LIFETIMES, DeniedError, Tokens, owner_of
from studio.state import StudioState
from tests.studio.states import begin, png, steps, stream


class TestRoutes:
    def paths(self, state: StudioState, sid: str) -> list[str]:
        sketch = steps(state, sid)[2]
        return [
            f"/studio/{sid}/snapshot",
            f"/studio/{sid}/events",
            f"/studio/{sid}/image/{sketch.image}",
            f"/studio/{sid}/preview/x/1",
            f"/studio/{sid}/export/{sketch.id}",
        ]

    def test_no_token_a_forged_and_an_old_one_are_refused(
        self, state: StudioState, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ):
        sid = begin(state)
        good = state.tokens.mint("page", "local")
        payload, time, signature = good.split(".")
        forged = ("B" if signature[0] == "A" else "A") + signature[1:]
        bad = ["", "x", f"{payload}.{time}.{forged}", f"{payload}.{time}", f"{payload}.{signature}"]
        bad += [state.tokens.mint("upload", "local"), state.tokens.mint("page", "somebody")]
        bad += [Tokens(b"another key").mint("page", "local")]
        for token in bad:
            for path in self.paths(state, sid):
                assert client.get(path, params={"t": token}).status_code == 401, (token, path)
        assert client.get(self.paths(state, sid)[0], params={"t": good}).status_code == 200
        monkeypatch.setitem(LIFETIMES, "page", -1)
        for path in self.paths(state, sid):
            assert client.get(path, params={"t": good}).status_code == 401, path

    def test_another_owners_session_is_not_found(self, state: StudioState, client: TestClient):
        mine = begin(state)
        theirs = begin(state, "a green tree", "somebody")
        token = state.tokens.mint("page", "local")
        picture = next(s.image for s in state.store.tree.steps("somebody", theirs).values() if s.image)
        for path in (
            f"/studio/{theirs}/snapshot",
            f"/studio/{theirs}/events",
            f"/studio/{theirs}/image/{picture}",
        ):
            assert client.get(path, params={"t": token}).status_code == 404, path
        assert client.get(f"/studio/{mine}/image/{'0' * 64}", params={"t": token}).status_code == 404

    def test_a_tab_hears_a_beat_while_others_are_busy(
        self, state: StudioState, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(routes, "BEAT_SECONDS", 0.2)

        class Here:
            async def is_disconnected(self) -> bool:
                return False

        async def chatter() -> None:
            while True:
                state.log.append("another session", "run")
                await asyncio.sleep(0.02)

        async def listen() -> str:
            stream = routes._stream(state, Here(), ["mine"], state.log.seq)
            await anext(stream)
            others = asyncio.create_task(chatter())
            said = await asyncio.wait_for(anext(stream), 20)
            others.cancel()
            return said

        with ThreadPoolExecutor(1) as apart:  # the browser's tests leave a loop in this thread
            assert apart.submit(asyncio.run, listen()).result().startswith("event: beat")

    def test_pictures_have_a_fixed_type_and_are_kept(self, state: StudioState, client: TestClient):
        sid = begin(state)
        sketch = steps(state, sid)[2]
        answer = client.get(
            f"/studio/{sid}/image/{sketch.image}", params={"t": state.tokens.mint("page", "local")}
        )
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "immutable" in answer.headers["cache-control"]

    def test_a_download_comes_back_as_a_session(self, state: StudioState, client: TestClient):
        sid = begin(state, "a red house 🦊 </ins>")
        token = {"t": state.tokens.mint("page", "local")}
        file = client.get(f"/studio/{sid}/export/{steps(state, sid)[-1].id}", params=token)
        assert file.headers["content-disposition"].startswith('attachment; filename="restroke-')
        brought = client.post("/studio/import", params=token, content=file.content).json()
        assert brought["ok"] and brought["session"] != sid
        assert [s.id for s in steps(state, brought["session"])] == [s.id for s in steps(state, sid)]

    @pytest.mark.parametrize("data", [b"", b"no picture", png()])
    def test_a_file_without_a_recipe_gets_a_sentence(
        self, state: StudioState, client: TestClient, data: bytes
    ):
        answer = client.post("/studio/import", params={"t": state.tokens.mint("page", "local")}, content=data)
        assert answer.status_code == 400
        assert answer.json()["error"].endswith(".")

    @pytest.mark.parametrize("kind", ["thin", "cut off", "animated", "no picture", "empty"])
    def test_a_picture_that_cannot_be_used_gets_a_sentence(
        self, state: StudioState, client: TestClient, kind: str
    ):
        sid = begin(state)
        data = {
            "thin": png((1, 20_000)),
            "cut off": png((300, 300))[:200],
            "animated": animation(),
            "no picture": b"<svg onload=alert(1)>",
            "empty": b"",
        }[kind]
        query = {"t": state.tokens.mint("page", "local"), "step": steps(state, sid)[2].id}
        answer = client.post(f"/studio/{sid}/upload", params=query, content=data)
        assert answer.status_code == 400
        assert answer.json()["error"].endswith(".")

    def test_a_cmyk_photo_becomes_a_picture(self, state: StudioState, client: TestClient):
        sid = begin(state)
        file = io.BytesIO()
        Image.new("CMYK", (200, 200), (0, 200, 200, 0)).save(file, "JPEG")
        query = {"t": state.tokens.mint("page", "local"), "step": steps(state, sid)[2].id}
        answer = client.post(f"/studio/{sid}/upload", params=query, content=file.getvalue()).json()
        assert answer["ok"] and "scaled" in answer["remark"]

    def test_an_endless_upload_is_cut_off(
        self, state: StudioState, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("studio.routes.LARGEST_BODY", 1000)
        answer = client.post(
            "/studio/import", params={"t": state.tokens.mint("page", "local")}, content=b"x" * 5000
        )
        assert answer.status_code == 413

    def test_the_pages_files_cannot_be_left(self, client: TestClient):
        assert client.get("/studio/assets/app/main.js").headers["content-type"].startswith("text/javascript")
        outside = ("..%2fx.js", "%2e%2e/x.js", "%2e%2e%2f%2e%2e%2fx.js", "%2ftmp%2fx.js")
        for name in (*outside, "..%2froutes.py", "%2e%2e/routes.py", "nothing.js", "routes.py", "", "sub"):
            assert client.get(f"/studio/assets/{name}").status_code == 404

    def test_the_pages_files_may_lie_in_folders(
        self, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        static = tmp_path / "static"
        (static / "sub").mkdir(parents=True)
        (static / "sub" / "a.js").write_text("1")
        (tmp_path / "b.js").write_text("secret")
        monkeypatch.setattr(routes, "STATIC", static)
        assert client.get("/studio/assets/sub/a.js").text == "1"
        for name in ("%2e%2e/b.js", "sub/%2e%2e/%2e%2e/b.js", "..%2fb.js", f"%2f{tmp_path}%2fb.js", "sub"):
            assert client.get(f"/studio/assets/{name}").status_code == 404

    def test_a_stream_begins_after_what_the_tab_has(self, state: StudioState, client: TestClient):
        start = state.log.seq
        sid = begin(state)
        state.log.close()  # the streams end once they have sent what is there
        everything = stream(client, state, sid, start)
        assert [event["seq"] for event in everything] == sorted(event["seq"] for event in everything)
        assert {"run", "step", "sessions"} <= {event["kind"] for event in everything}
        half = everything[len(everything) // 2]["seq"]
        assert stream(client, state, sid, half) == [event for event in everything if event["seq"] > half]
        assert [event["kind"] for event in stream(client, state, sid, start - 5)] == ["resync"]


def animation() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


class TestIdentity:
    def test_a_foreign_name_for_this_computer_is_refused(self):
        for host in ("127.0.0.1:7860", "localhost", "[::1]:7860"):
            assert owner_of({"host": host}, loopback_only=True) == "local"
        for host in ("evil.example:7860", "", "127.0.0.1.evil.example", "localhost@evil.example"):
            with pytest.raises(DeniedError):
                owner_of({"host": host}, loopback_only=True)

    def test_the_key_survives_a_restart_and_is_nobody_elses(self, tmp_path: Path):
        (tmp_path / "studio.key.part").write_text("ab")  # the power went when it was written
        token = Tokens.of(tmp_path).mint("page", "local")
        assert (tmp_path / "studio.key").stat().st_size == 64
        assert Tokens.of(tmp_path).read("page", token) == ("local",)
        assert (tmp_path / "studio.key").stat().st_mode & 0o077 == 0


def test_a_clock_that_is_set_back_closes_no_page(monkeypatch: pytest.MonkeyPatch):
    tokens, now = Tokens(b"k" * 64), time.time()
    token = tokens.mint("page", "local")
    monkeypatch.setattr(time, "time", lambda: now - 7200)
    assert tokens.read("page", token) == ("local",)
    monkeypatch.setattr(time, "time", lambda: now + LIFETIMES["page"] + 60)
    with pytest.raises(DeniedError, match="too long"):
        tokens.read("page", token)
