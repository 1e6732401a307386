"""A file is the old one or the new one, and nothing else is left in its folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from engine.core.atomic_write import PART, atomic_path, atomic_write, write_bytes, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_replaced_when_the_block_ends(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, failure: type[BaseException]):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(failure), atomic_write(path) as file:
        file.write(b"half")
        raise failure
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_disk_that_is_full_at_the_end_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "a.bin", b"new")
    assert names(tmp_path) == []


def test_the_bytes_reach_the_disk_before_the_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, seen = tmp_path / "a.bin", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor), path.exists())))
    write_bytes(path, b"new")
    (written, named), *folders = seen
    assert (written.st_size, named) == (3, False)
    assert os.name != "posix" or [(stat.S_ISDIR(found.st_mode), there) for found, there in folders] == [
        (True, True)
    ]


def test_code_that_opens_the_file_itself_is_given_a_path_beside_it(tmp_path: Path):
    path = tmp_path / "a.bin"
    with atomic_path(path) as part:
        assert (part.parent, part.suffix) == (tmp_path, PART)
        part.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


def test_two_writers_at_once_never_mix(tmp_path: Path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_secret_is_never_readable_by_others(tmp_path: Path):
    with atomic_write(tmp_path / "key", mode=0o600) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_text_and_json(tmp_path: Path):
    write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\n"
    write_json(tmp_path / "a.json", {"a": "é"})
    assert (tmp_path / "a.json").read_bytes() == b'{\n "a": "\\u00e9"\n}\n'
    write_json(tmp_path / "b.json", {"a": "é"}, ensure_ascii=False)
    assert (tmp_path / "b.json").read_text(encoding="utf-8") == '{\n "a": "é"\n}\n'


def test_what_a_killed_writer_left_goes_with_a_later_write(tmp_path: Path):
    old, fresh, other = (tmp_path / name for name in (f"a.1{PART}", f"a.2{PART}", f"ab.1{PART}"))
    for path in (old, fresh, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, 0))
    write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a", fresh.name, other.name]
