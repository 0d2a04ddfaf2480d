"""A file that is replaced whole or not at all: a node's own copy of what all nodes share."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path

from idp_mfa.ports import Unavailable

_LOG = logging.getLogger("idp_mfa")


class LastGood:
    """A document's octets at ``path``; ``name`` is the document's."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name

    def read(self) -> bytes | None:
        """None if there is none; ``Unavailable`` if it cannot be read."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(self._name, f"{self.path}: {error.strerror}") from error

    def keep(self, octets: bytes) -> None:
        """A full disk is told but stops no sign-in."""
        beside = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            prefix = f".{self._name}-"
            descriptor, beside = tempfile.mkstemp(dir=self.path.parent, prefix=prefix)
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(descriptor)
            Path(beside).replace(self.path)
        except OSError as error:
            _LOG.error("%s: the copy on disk is not written: %s", self._name, error.strerror)
            if beside is not None:
                with contextlib.suppress(OSError):
                    Path(beside).unlink()
