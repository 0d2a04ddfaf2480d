"""A user's credentials as sealed records under one sealed manifest, whatever keeps the bytes.

The manifest lists each record's id, kind, generation and SHA-256 digest. A record that somebody
else added, removed, copied, moved or edited therefore shows: it is counted as unreadable, and stays
counted through later changes until ``cleared``. A whole state of the past put back, manifest and
records together, does not show here but by its generation, which rises with every change.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from idp_mfa.model import (
    Account,
    BoundBy,
    Credential,
    CredentialId,
    Credentials,
    CredentialState,
    FactorName,
    UserId,
)
from idp_mfa.ports import Change, ChangeAnswer, Holder
from idp_mfa.sealed import Header, Sealer, Unreadable, header_of

_MANIFEST = "manifest"
_MOST_BELIEVED = 2**40
"""The highest generation that is believed of a manifest which does not open."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes as they stand in the directory; the order of records means nothing."""

    records: tuple[bytes, ...]
    manifest: bytes | None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What one atomic change takes out and puts in; ``old_manifest`` None expects none there."""

    remove: tuple[bytes, ...]
    add: tuple[bytes, ...]
    old_manifest: bytes | None
    new_manifest: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    id: CredentialId
    kind: str
    generation: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Manifest:
    """``lost`` counts manifests before this one that did not open: nobody knows what they held.

    Of one that does not open itself the generation is what it says in clear.
    """

    generation: int
    entries: tuple[_Entry, ...]
    lost: int
    opens: bool = True


@dataclass(frozen=True, slots=True)
class _Held:
    credential: Credential
    sealed: bytes


@dataclass(frozen=True, slots=True)
class _Contents:
    manifest: _Manifest
    held: Mapping[CredentialId, _Held]
    unreadable: int


def opened(stored: Stored, user: UserId, sealer: Sealer) -> Credentials:
    """What stands there, opened and held against the manifest."""
    contents = _contents(stored, user, sealer)
    return Credentials(
        tuple(held.credential for held in contents.held.values()),
        contents.unreadable,
        stored.manifest,
        contents.manifest.generation if contents.manifest.opens else 0,
    )


def without_secrets(account: Account) -> Account:
    """The same account with the states of its factors and none of their secrets."""
    found = account.credentials
    records = tuple(replace(one, secret={}) for one in found.records)
    return replace(account, credentials=replace(found, records=records))


def rewritten(
    stored: Stored, user: UserId, read: Credentials, changes: Sequence[Change], sealer: Sealer
) -> Rewrite | ChangeAnswer:
    """The rewrite that makes the changes, or LOST_RACE if they were decided on something older.

    Where ``read`` knows of a higher generation than stands there, a state of the past was put back:
    nothing of it is taken over, and it counts as one lost manifest.
    """
    if stored.manifest != read.version:
        return ChangeAnswer.LOST_RACE
    contents = _contents(stored, user, sealer)
    if contents.manifest.generation < read.generation:
        past = _Manifest(read.generation, (), contents.manifest.lost + 1)
        contents = _Contents(past, {}, len(stored.records) + past.lost)
    entries = {entry.id: entry for entry in contents.manifest.entries}
    remove, add = [], []
    for change in changes:
        if change.before is not None:
            held = contents.held.get(change.before.id)
            if held is None or held.credential != change.before:
                return ChangeAnswer.LOST_RACE
            remove.append(held.sealed)
            del entries[change.before.id]
        if change.after is not None:
            if change.after.id in entries:
                return ChangeAnswer.LOST_RACE
            sealed = _sealed(change.after, user, sealer)
            add.append(sealed)
            entries[change.after.id] = _entry(change.after, sealed)
    after = _Manifest(
        contents.manifest.generation + 1, tuple(entries.values()), contents.manifest.lost
    )
    return Rewrite(
        tuple(remove), tuple(add), stored.manifest, _sealed_manifest(after, user, sealer)
    )


def cleared(
    stored: Stored, user: UserId, read: Credentials, sealer: Sealer
) -> Rewrite | ChangeAnswer:
    """The rewrite that takes everything out, what does not open too."""
    if stored.manifest != read.version:
        return ChangeAnswer.LOST_RACE
    generation = max(_contents(stored, user, sealer).manifest.generation, read.generation) + 1
    empty = _sealed_manifest(_Manifest(generation, (), 0), user, sealer)
    return Rewrite(stored.records, (), stored.manifest, empty)


def resealed(stored: Stored, user: UserId, sealer: Sealer) -> Rewrite | ChangeAnswer:
    """The rewrite under the active key; DONE if nothing that opens is under another one.

    What does not open stays as it is and stays counted.
    """
    contents = _contents(stored, user, sealer)
    old = [held for held in contents.held.values() if kid_of(held.sealed) != sealer.active]
    manifest = None if stored.manifest is None else _opened_manifest(stored.manifest, user, sealer)
    if manifest is None or not (old or kid_of(stored.manifest or b"") != sealer.active):
        return ChangeAnswer.DONE
    entries = {entry.id: entry for entry in manifest.entries}
    add = []
    for held in old:
        sealed = _sealed(held.credential, user, sealer)
        add.append(sealed)
        entries[held.credential.id] = _entry(held.credential, sealed)
    after = _Manifest(manifest.generation + 1, tuple(entries.values()), manifest.lost)
    return Rewrite(
        tuple(held.sealed for held in old),
        tuple(add),
        stored.manifest,
        _sealed_manifest(after, user, sealer),
    )


def holder(stored: Stored, user: UserId) -> Holder:
    """Which keys somebody's values name."""
    values = (*(() if stored.manifest is None else (stored.manifest,)), *stored.records)
    return Holder(user, tuple(kid_of(value) for value in values))


def found_again(now: Stored, before: Stored, rewrite: Rewrite) -> bool:
    """Whether a rewrite that was taken stands there, or a later change, which was built on it."""
    kept = (frozenset(before.records) - frozenset(rewrite.remove)) | frozenset(rewrite.add)
    if now.manifest == rewrite.new_manifest:
        return kept == frozenset(now.records)
    match header_of(now.manifest or b""), header_of(rewrite.new_manifest):
        case Header() as found, Header() as ours:
            return found.generation > ours.generation
        case _:
            return False


def kid_of(sealed: bytes) -> str:
    """The key id that a value names, or ""."""
    header = header_of(sealed)
    return "" if isinstance(header, Unreadable) else header.kid


def _contents(stored: Stored, user: UserId, sealer: Sealer) -> _Contents:
    manifest = _manifest(stored, user, sealer)
    by_digest = {_digest(record): record for record in stored.records}
    held, unreadable = {}, manifest.lost
    for entry in manifest.entries:
        sealed = by_digest.pop(entry.digest, None)
        credential = None if sealed is None else _credential(sealed, entry, user, sealer)
        if sealed is None or credential is None:
            unreadable += 1
        else:
            held[entry.id] = _Held(credential, sealed)
    return _Contents(manifest, held, unreadable + len(by_digest))


def _manifest(stored: Stored, user: UserId, sealer: Sealer) -> _Manifest:
    if stored.manifest is None:
        return _Manifest(0, (), 1 if stored.records else 0)
    header = header_of(stored.manifest)
    said = 0 if isinstance(header, Unreadable) else min(header.generation, _MOST_BELIEVED)
    opened_ = _opened_manifest(stored.manifest, user, sealer)
    return opened_ or _Manifest(said, (), 1, opens=False)


def _opened_manifest(sealed: bytes, user: UserId, sealer: Sealer) -> _Manifest | None:
    header = header_of(sealed)
    if isinstance(header, Unreadable):
        return None
    plain = sealer.open(
        sealed,
        user=user,
        kind=_MANIFEST,
        credential=CredentialId(_MANIFEST),
        generation=header.generation,
    )
    if isinstance(plain, Unreadable):
        return None
    value = json.loads(plain)
    entries = tuple(
        _Entry(CredentialId(id), kind, generation, digest)
        for id, kind, generation, digest in value["entries"]
    )
    return _Manifest(header.generation, entries, value["lost"])


def _sealed_manifest(manifest: _Manifest, user: UserId, sealer: Sealer) -> bytes:
    entries = [[entry.id, entry.kind, entry.generation, entry.digest] for entry in manifest.entries]
    return sealer.seal(
        json.dumps({"entries": entries, "lost": manifest.lost}, separators=(",", ":")).encode(),
        user=user,
        kind=_MANIFEST,
        credential=CredentialId(_MANIFEST),
        generation=manifest.generation,
    )


def _credential(sealed: bytes, entry: _Entry, user: UserId, sealer: Sealer) -> Credential | None:
    plain = sealer.open(
        sealed, user=user, kind=entry.kind, credential=entry.id, generation=entry.generation
    )
    if isinstance(plain, Unreadable):
        return None
    try:
        value = json.loads(plain)
        return Credential(
            entry.id,
            FactorName(entry.kind),
            CredentialState(value["state"]),
            value["label"],
            datetime.fromisoformat(value["bound_at"]),
            BoundBy(value["bound_by"]),
            entry.generation,
            value["secret"],
            datetime.fromisoformat(value["ended_at"]) if "ended_at" in value else None,
        )
    # A newer release of ours may have sealed what this one does not know.
    except (ValueError, KeyError):
        return None


def _sealed(credential: Credential, user: UserId, sealer: Sealer) -> bytes:
    value = {
        "state": credential.state.value,
        "label": credential.label,
        "bound_at": credential.bound_at.isoformat(),
        "bound_by": credential.bound_by.value,
        "secret": dict(credential.secret),
    }
    if credential.ended_at is not None:
        value["ended_at"] = credential.ended_at.isoformat()
    return sealer.seal(
        json.dumps(value, separators=(",", ":")).encode(),
        user=user,
        kind=credential.factor,
        credential=credential.id,
        generation=credential.generation,
    )


def _entry(credential: Credential, sealed: bytes) -> _Entry:
    return _Entry(credential.id, credential.factor, credential.generation, _digest(sealed))


def _digest(sealed: bytes) -> str:
    return base64.b64encode(hashlib.sha256(sealed).digest()).decode("ascii")
