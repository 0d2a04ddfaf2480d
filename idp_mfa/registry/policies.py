"""Activated policies: one document in the store, and the last good one on each node's disk."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from idp_mfa.model import Clock
from idp_mfa.policy.in_force import PART
from idp_mfa.ports import (
    ChangeAnswer,
    PolicyVersion,
    PolicyVersions,
    StateStore,
    Unavailable,
)
from idp_mfa.registry.numbered import Form, NumberedDocument

LOOK_EVERY = timedelta(seconds=2)
_FORMAT = 1


class SharedPolicies:
    """``PolicyShelf`` in the store; ``fit`` says what this release can use."""

    def __init__(
        self,
        store: StateStore,
        copy: Path,
        clock: Clock,
        fit: Callable[[PolicyVersions], bool],
    ) -> None:
        form = Form(
            name=PART,
            empty=PolicyVersions(0, (), {}),
            number=lambda versions: versions.revision,
            encode=encode,
            decode=decode,
            fit=fit,
        )
        self._document = NumberedDocument(form, store, copy, clock, LOOK_EVERY)

    def current(self) -> PolicyVersions:
        """The newest that this release can use, looked at every two seconds at most."""
        return self._document.current()

    def newest(self) -> PolicyVersions:
        """The newest of all, looked at now."""
        return self._document.newest()

    def change(self, read: PolicyVersions, after: PolicyVersions) -> ChangeAnswer:
        """Everything anew, if nobody else changed it since it was read."""
        return self._document.change(read, after)


def encode(versions: PolicyVersions) -> bytes:
    """The same versions always give the same octets; texts are deflated."""
    return json.dumps(
        {
            "v": _FORMAT,
            "revision": versions.revision,
            "versions": [_row(each) for each in versions.versions],
            "shadow": None if versions.shadow is None else _row(versions.shadow),
            "texts": {
                digest: base64.b64encode(zlib.compress(text.encode())).decode()
                for digest, text in sorted(versions.texts.items())
            },
        }
    ).encode()


def decode(octets: bytes) -> PolicyVersions:
    """The reverse; what cannot be read, or is not what it says, is ``Unavailable``."""
    try:
        written = json.loads(octets)
        if written["v"] != _FORMAT:
            raise Unavailable(PART, "written by another release")
        shadow = written["shadow"]
        return PolicyVersions(
            int(written["revision"]),
            tuple(_version(row) for row in written["versions"]),
            {digest: _text(digest, packed) for digest, packed in written["texts"].items()},
            None if shadow is None else _version(shadow),
        )
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise Unavailable(PART, f"damaged: {type(error).__name__}") from error


def _row(version: PolicyVersion) -> dict[str, object]:
    return {
        "number": version.number,
        "digest": version.digest,
        "source": version.source,
        "actor": version.actor,
        "at": version.at.isoformat(),
        "reason": version.reason,
        "again": version.again,
    }


def _version(row: dict[str, Any]) -> PolicyVersion:
    return PolicyVersion(
        int(row["number"]),
        str(row["digest"]),
        str(row["source"]),
        str(row["actor"]),
        datetime.fromisoformat(row["at"]),
        str(row["reason"]),
        None if row["again"] is None else int(row["again"]),
    )


def _text(digest: str, packed: str) -> str:
    octets = zlib.decompress(base64.b64decode(packed, validate=True))
    if hashlib.sha256(octets).hexdigest() != digest:
        raise ValueError("a text is not what its digest says")
    return octets.decode()
