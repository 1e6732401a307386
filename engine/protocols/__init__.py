"""The protocols, by name, and how each talks to a model: native, trained on it, or guided by our prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.protocols.base import Protocol
from engine.protocols.direct import Direct
from engine.protocols.guided import GuidedProcess
from engine.protocols.irg import Irg
from engine.protocols.process import Process
from engine.protocols.prompts import Prompts, default_prompts
from engine.protocols.think import Think


def trained_protocols(asks: Mapping[str, str] | None = None) -> dict[str, Protocol]:
    """The protocols for a model that was trained on them, by name; ``asks`` if it also answers questions."""
    found = (Process(asks=asks), Direct(asks=asks), Think(asks=asks), Irg(asks=asks))
    return {protocol.name: protocol for protocol in found}


_NATIVE = trained_protocols()
NAMES: tuple[str, ...] = tuple(_NATIVE)


def get(name: str) -> Protocol:
    """The native protocol of this name. Raises ``ValueError`` that lists the known ones."""
    if name not in _NATIVE:
        raise ValueError(f"unknown protocol {name!r}; known: {', '.join(NAMES)}")
    return _NATIVE[name]


def guided_protocols(prompts: Prompts | None = None) -> dict[str, Protocol]:
    """The protocols for a model that was not trained on them, by name; with the default prompts if None."""
    texts = prompts or default_prompts()
    asks = texts["ask"]
    found = (
        GuidedProcess(asks=asks, texts=texts["process"]),
        Direct(asks=asks),
        Think(asks=asks, texts=texts["think"]),
        Irg(asks=asks, texts=texts["irg"]),
    )
    return {protocol.name: protocol for protocol in found}


def supported_protocols(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the protocols that a checkpoint supports: those that its config.json lists.

    A folder of the public layout doesn't say what it was trained on, so all may be tried. Folders that
    this engine wrote before it said so know process and direct. Raises ``ValueError`` for a list that
    names no protocol of this version.
    """
    if "protocols" not in config:
        return ("process", "direct") if "sampling" in config else NAMES
    stated = config["protocols"]
    found = tuple(name for name in NAMES if name in stated) if isinstance(stated, list) else ()
    if not found:
        raise ValueError(
            f"config.json says that the checkpoint knows the protocols {stated!r}; "
            f"this version of Restroke knows {', '.join(NAMES)}"
        )
    return found


def protocols_for(config: Mapping[str, Any], prompts: Prompts | None = None) -> dict[str, Protocol]:
    """The protocols that a checkpoint supports, by name, each as this checkpoint needs it.

    Trained where ``config.json`` says what it was trained on, or that this engine wrote it; guided, with
    these ``prompts``, for a folder of the public layout. One bound to a world knows nothing else, so it
    answers no questions. Raises ``ValueError`` as :func:`supported_protocols`.
    """
    texts = prompts or default_prompts()
    if "protocols" in config or "sampling" in config:
        found = trained_protocols(None if config.get("world") else texts["ask"])
    else:
        found = guided_protocols(texts)
    return {name: found[name] for name in supported_protocols(config)}


def with_max_pictures(protocols: Mapping[str, Protocol], pictures: int) -> dict[str, Protocol]:
    """The same protocols, which show the model no more than this many pictures at once."""
    return {name: replace(protocol, max_pictures=pictures) for name, protocol in protocols.items()}
