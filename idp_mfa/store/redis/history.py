"""Whether this node has used its store before: then one that knows nothing has lost something."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)


class History:
    """Remembered in an empty file: a restart of store and node together is no new beginning.

    Without a file it is remembered for as long as the process lives.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._used = False

    @property
    def used(self) -> bool:
        """Whether a time step was ever raised from here; another process of this node counts."""
        if not self._used and self._file is not None:
            self._used = self._file.exists()
        return self._used

    def remember(self) -> None:
        """From now on it has."""
        if self.used:
            return
        self._used = True
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file.touch(mode=0o600)
        except OSError as error:
            log.error("%s cannot be written: %s", self._file, error.strerror)
