"""A letter as a line of JSON and back; what no release of ours wrote is None."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any, assert_never

from idp_mfa.letters import Awaited, CodePurpose, Letter, MailedCode, Notice, NoticeKind
from idp_mfa.model import CredentialId, Reference, Seen, UserId

FORMAT = 1


def encode(letter: Letter, awaited: Awaited | None) -> bytes:
    """One line; it may hold a code, so whoever keeps it seals it."""
    value: dict[str, Any] = {
        "v": FORMAT,
        "user": letter.user_id,
        "at": letter.at.isoformat(),
        "address": None if letter.seen.address is None else str(letter.seen.address),
        "reference": letter.reference,
        "language": letter.language,
    }
    match letter:
        case Notice():
            value |= {
                "notice": letter.kind.value,
                "about": letter.about,
                "besides": list(letter.besides),
            }
        case MailedCode():
            value |= {
                "purpose": letter.purpose.value,
                "to": letter.to,
                "code": letter.code,
                "until": letter.until.isoformat(),
            }
        case never:
            assert_never(never)
    if awaited is not None:
        value["awaited"] = [awaited.credential, awaited.generation]
    return json.dumps(value, separators=(",", ":")).encode()


def decode(line: bytes) -> tuple[Letter, Awaited | None] | None:
    """The letter, and the change on which it waits."""
    try:
        value = json.loads(line)
        if value["v"] != FORMAT:
            return None
        return _letter(value), _awaited(value.get("awaited"))
    except (ValueError, KeyError, TypeError):
        return None


def _letter(value: Mapping[str, Any]) -> Letter:
    address = None if value["address"] is None else ip_address(value["address"])
    user, at = UserId(value["user"]), datetime.fromisoformat(value["at"])
    seen, reference = Seen(address, ()), Reference(value["reference"])
    if "notice" in value:
        return Notice(
            NoticeKind(value["notice"]),
            user,
            at,
            seen,
            reference,
            value["language"],
            value["about"],
            tuple(value["besides"]),
        )
    return MailedCode(
        CodePurpose(value["purpose"]),
        user,
        at,
        seen,
        reference,
        value["language"],
        value["to"],
        value["code"],
        datetime.fromisoformat(value["until"]),
    )


def _awaited(value: tuple[str, int | None] | None) -> Awaited | None:
    if value is None:
        return None
    credential, generation = value
    return Awaited(CredentialId(credential), generation)
