"""A chain over the lines of a file: the MAC of each covers its text and the MAC of the one before.

Who has not the key can add nothing, change nothing, and take nothing out from between without its
being seen (docs/adr/0012-a-chain-over-the-lines.md).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from idp_mfa.model import Randomness
from idp_mfa.sealing_keys import text_of

_PURPOSE = b"idp_mfa audit chain"
_ID_BYTES = 10
_MAC_BYTES = 16
_LINK = re.compile(
    rb',"chain":\{"of":"([a-z2-7]{16})","n":([1-9][0-9]{0,17}),"mac":"([A-Za-z0-9_-]{22})"\}\}$'
)
_HEAD = re.compile(r"([a-z2-7]{16}):([1-9][0-9]{0,17}):([A-Za-z0-9_-]{22})")


@dataclass(frozen=True, slots=True)
class Link:
    """The ``number``-th line of a chain, and its MAC; number 0 is that of a chain without lines."""

    chain: str
    number: int
    mac: str

    def __str__(self) -> str:
        """As ``read_head`` takes it."""
        return f"{self.chain}:{self.number}:{self.mac}"


class Chain:
    """Makes links, and says of a line whether its link is the one that follows.

    ``secret`` is asked once, and may raise ``Unavailable``; the key is made of it.
    """

    def __init__(self, secret: Callable[[], bytes], randomness: Randomness) -> None:
        self._secret = secret
        self._randomness = randomness
        self._key: bytes | None = None

    def key(self) -> bytes:
        """The key of the MACs; asked for before the first line, no line waits for a file."""
        if self._key is None:
            self._key = hmac.digest(self._secret(), _PURPOSE, hashlib.sha256)
        return self._key

    def begun(self) -> Link:
        """A new chain, without lines."""
        return Link(base64.b32encode(self._randomness(_ID_BYTES)).decode().lower(), 0, "")

    def chained(self, line: str, after: Link) -> tuple[str, Link]:
        """A line of JSON with its link as the last field, and the link."""
        link = self._link(line[:-1].encode("ascii"), after)
        field = f',"chain":{{"of":"{link.chain}","n":{link.number},"mac":"{link.mac}"}}}}'
        return line[:-1] + field, link

    def follows(self, line: bytes, link: Link, after: Link) -> bool:
        """Whether a line with this link is what it was when it was put after the other one."""
        body, _, _ = line.rpartition(b',"chain":{')
        ours = self._link(body, after)
        return ours.number == link.number and hmac.compare_digest(ours.mac, link.mac)

    def _link(self, body: bytes, after: Link) -> Link:
        number = after.number + 1
        bound = f"{after.chain} {number} {after.mac} ".encode()
        mac = hmac.digest(self.key(), bound + body, hashlib.sha256)[:_MAC_BYTES]
        return Link(after.chain, number, text_of(mac))


def link_of(line: bytes) -> Link | None:
    """What a line says of its place; None for a line of no chain, or one that is not whole."""
    found = _LINK.search(line)
    return None if found is None else Link(found[1].decode(), int(found[2]), found[3].decode())


def read_head(text: str) -> Link | None:
    """A link as it is written down."""
    found = _HEAD.fullmatch(text)
    return None if found is None else Link(found[1], int(found[2]), found[3])
