"""The grammars of trajectories, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.protocols.base import Protocol
from engine.protocols.direct import Direct
from engine.protocols.irg import Irg
from engine.protocols.process import Process
from engine.protocols.think import Think

_PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for protocol in (Process(), Direct(), Think(), Irg())
}
NAMES: tuple[str, ...] = tuple(_PROTOCOLS)


def get(name: str) -> Protocol:
    """The protocol of this name. Raises ``ValueError`` that lists the known ones."""
    if name not in _PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}; known: {', '.join(NAMES)}")
    return _PROTOCOLS[name]


def offered(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The protocols that a checkpoint offers, by its ``config.json``: those its ``protocols`` names.

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
