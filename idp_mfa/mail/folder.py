"""Mail as files of a folder, for trying things out."""

from __future__ import annotations

import os
from pathlib import Path

from idp_mfa.letters import Mail
from idp_mfa.mail.message import message
from idp_mfa.mail.options import MailOptions
from idp_mfa.model import Clock, Randomness
from idp_mfa.ports import Unavailable, Undeliverable

_ID_BYTES = 4


class FolderMailer:
    """``Mailer``: each mail a file ``*.eml``, named by its time, that only its owner may read."""

    def __init__(
        self, options: MailOptions, folder: Path, clock: Clock, randomness: Randomness
    ) -> None:
        self._options = options
        self._folder = folder
        self._clock = clock
        self._randomness = randomness

    def send(self, mail: Mail) -> Undeliverable | None:
        """None once the file is there, whole."""
        now = self._clock()
        try:
            made = message(
                mail, self._options.sender, self._options.sender_name, now, self._randomness
            )
        except ValueError:
            return Undeliverable.REFUSED
        name = f"{now:%Y%m%dT%H%M%S.%f}-{self._randomness(_ID_BYTES).hex()}.eml"
        unfinished = self._folder / f".{name}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(bytes(made))
            unfinished.rename(self._folder / name)
        except OSError as error:
            raise Unavailable("mail", f"{self._folder}: {error.strerror}") from None
        return None

    def ping(self) -> None:
        """The folder is there, or can be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable("mail", f"{self._folder}: {error.strerror}") from None
