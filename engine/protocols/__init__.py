"""The grammars of trajectories, by name."""

from __future__ import annotations

from engine.protocols.base import Protocol
from engine.protocols.direct import Direct
from engine.protocols.process import Process

_PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (Process(), Direct())}
NAMES: tuple[str, ...] = tuple(_PROTOCOLS)


def get(name: str) -> Protocol:
    """The protocol of this name. Raises ``ValueError`` that lists the known ones."""
    if name not in _PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}; known: {', '.join(NAMES)}")
    return _PROTOCOLS[name]
