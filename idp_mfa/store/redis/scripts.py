"""The scripts that make a verb one act, as they lie beside this file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name that the server gives it."""

    sha: str
    source: bytes


_FIRST_LINE = b"#!lua\n"


def _read(*names: str) -> Script:
    """One script of several files, in their order."""
    parts = [resources.files(__package__).joinpath(name).read_bytes() for name in names]
    source = _FIRST_LINE + b"".join(part.removeprefix(_FIRST_LINE) for part in parts)
    return Script(hashlib.sha1(source, usedforsecurity=False).hexdigest(), source)


SWAP = _read("swap.lua")
RAISE_TO = _read("epoch.lua", "raise_to.lua")
RESERVE = _read("epoch.lua", "reserve.lua")
REFUND = _read("refund.lua")
AUDIT_ADD = _read("audit_add.lua")
OUTBOX_PUT = _read("outbox_put.lua")
OUTBOX_TAKE = _read("outbox_take.lua")
OUTBOX_MOVE = _read("outbox_move.lua")
OUTBOX_DROP = _read("outbox_drop.lua")
