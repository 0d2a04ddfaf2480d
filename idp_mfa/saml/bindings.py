"""HTTP-Redirect and HTTP-POST, octet for octet (SAML bindings 3.4, 3.5).

A redirect signature covers the query's octets as they came, so the query is taken apart once,
here, and what was verified is what was decoded (advisory 34).
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal
from urllib.parse import quote

from idp_mfa.keys import SigningKey
from idp_mfa.saml.names import DEFLATE, Binding
from idp_mfa.saml.reading import MESSAGE

RELAY_STATE_OCTETS = 1024
_NAMES = frozenset(
    {"SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"}
)
_QUERY_LIMIT = 64 * 1024
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_WHOLE_ESCAPES = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*")

Kind = Literal["SAMLRequest", "SAMLResponse"]


class Undecodable(Enum):
    """Why the parameters are no message."""

    MISSING = "missing"
    DUPLICATE = "duplicate"
    TOO_LARGE = "too-large"
    ENCODING = "encoding"
    RELAY_STATE = "relay-state"


@dataclass(frozen=True, slots=True)
class QuerySignature:
    """What a redirect says of its signature; ``octets`` are the signed part of the raw query."""

    algorithm: str
    value: bytes | None
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came: its XML is not looked at yet."""

    kind: Kind
    binding: Binding
    xml: bytes = field(repr=False)
    relay_state: str | None
    signature: QuerySignature | None = None


def from_query(query: bytes) -> Message | Undecodable:
    """A redirect's message; every known name at most once, in one spelling."""
    if len(query) > _QUERY_LIMIT:
        return Undecodable.TOO_LARGE
    raw: dict[str, bytes] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        plain = _unescaped(name)
        if plain is None or plain.decode("latin-1") not in _NAMES:
            continue
        if plain != name or name.decode() in raw:
            return Undecodable.DUPLICATE
        raw[name.decode()] = value
    kind = _kind(raw)
    if not isinstance(kind, str):
        return kind
    decoded = {name: _unescaped(value) for name, value in raw.items()}
    if None in decoded.values():
        return Undecodable.ENCODING
    known = {name: value for name, value in decoded.items() if value is not None}
    if known.get("SAMLEncoding", DEFLATE.encode()) != DEFLATE.encode():
        return Undecodable.ENCODING
    xml = _inflated(known[kind])
    if isinstance(xml, Undecodable):
        return xml
    relay_state = _relay_state(known.get("RelayState"))
    if isinstance(relay_state, Undecodable):
        return relay_state
    return Message(kind, Binding.REDIRECT, xml, relay_state, _query_signature(raw, known, kind))


def from_form(
    form: Mapping[str, Sequence[str]], query: Mapping[str, object]
) -> Message | Undecodable:
    """A posted message: the body's fields alone, each once; none of them may be in the query."""
    found = {name: values for name, values in form.items() if name in _NAMES}
    if any(len(values) != 1 for values in found.values()) or _NAMES & query.keys():
        return Undecodable.DUPLICATE
    fields = {name: values[0].encode() for name, values in found.items()}
    kind = _kind(fields)
    if not isinstance(kind, str):
        return kind
    xml = _unbase64(b"".join(fields[kind].split()))
    if isinstance(xml, Undecodable):
        return xml
    relay_state = _relay_state(fields.get("RelayState"))
    if isinstance(relay_state, Undecodable):
        return relay_state
    return Message(kind, Binding.POST, xml, relay_state)


def signed_query(kind: Kind, xml: str, relay_state: str | None, key: SigningKey) -> str:
    """The query of a redirect with one of our messages, signed as it will be sent."""
    deflate = zlib.compressobj(wbits=-15)
    deflated = deflate.compress(xml.encode()) + deflate.flush()
    pairs: list[tuple[str, str]] = [(kind, base64.b64encode(deflated).decode())]
    if relay_state is not None:
        pairs.append(("RelayState", relay_state))
    pairs.append(("SigAlg", key.algorithm.value))
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    signature = base64.b64encode(key.sign(query.encode())).decode()
    return f"{query}&Signature={quote(signature, safe='')}"


def form_fields(kind: Kind, xml: str, relay_state: str | None) -> dict[str, str]:
    """The fields of a page that posts one of our messages."""
    fields: dict[str, str] = {kind: base64.b64encode(xml.encode()).decode()}
    return fields if relay_state is None else {**fields, "RelayState": relay_state}


def _kind(fields: Mapping[str, bytes]) -> Kind | Undecodable:
    match "SAMLRequest" in fields, "SAMLResponse" in fields:
        case True, False:
            return "SAMLRequest"
        case False, True:
            return "SAMLResponse"
        case True, True:
            return Undecodable.DUPLICATE
        case _:
            return Undecodable.MISSING


def _query_signature(
    raw: Mapping[str, bytes], known: Mapping[str, bytes], kind: Kind
) -> QuerySignature | None:
    if "Signature" not in raw and "SigAlg" not in raw:
        return None
    octets = b"&".join(
        name.encode() + b"=" + raw[name] for name in (kind, "RelayState", "SigAlg") if name in raw
    )
    value = _unbase64(b"".join(known.get("Signature", b"").split()))
    algorithm = known.get("SigAlg", b"").decode("latin-1")
    return QuerySignature(algorithm, value if isinstance(value, bytes) else None, octets)


def _unescaped(octets: bytes) -> bytes | None:
    if _WHOLE_ESCAPES.fullmatch(octets) is None:
        return None
    return _ESCAPED.sub(lambda hit: bytes([int(hit[1], 16)]), octets.replace(b"+", b" "))


def _unbase64(octets: bytes) -> bytes | Undecodable:
    if len(octets) > MESSAGE.octets * 4 // 3 + 4:
        return Undecodable.TOO_LARGE
    try:
        return base64.b64decode(octets, validate=True)
    except binascii.Error:
        return Undecodable.ENCODING


def _inflated(value: bytes) -> bytes | Undecodable:
    deflated = _unbase64(b"".join(value.split()))
    if isinstance(deflated, Undecodable):
        return deflated
    inflate = zlib.decompressobj(wbits=-15)
    try:
        xml = inflate.decompress(deflated, MESSAGE.octets + 1)
    except zlib.error:
        return Undecodable.ENCODING
    if len(xml) > MESSAGE.octets or inflate.unconsumed_tail:
        return Undecodable.TOO_LARGE
    return xml if inflate.eof and not inflate.unused_data else Undecodable.ENCODING


def _relay_state(value: bytes | None) -> str | Undecodable | None:
    if value is None:
        return None
    if len(value) > RELAY_STATE_OCTETS:
        return Undecodable.RELAY_STATE
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Undecodable.RELAY_STATE
