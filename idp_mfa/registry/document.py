"""The registry as one document: versioned JSON, the same in the store and on disk."""

from __future__ import annotations

import json
from datetime import datetime

from idp_mfa.model import ServiceId
from idp_mfa.ports import (
    Encryption,
    Registration,
    Registrations,
    ServiceOptions,
    SignedRequests,
    Unavailable,
)

_FORMAT = 1


def encode(registrations: Registrations) -> bytes:
    """The same registry always gives the same octets."""
    rows = sorted(registrations.by_id.values(), key=lambda row: row.id)
    return json.dumps(
        {
            "v": _FORMAT,
            "version": registrations.version,
            "services": [
                {
                    "id": row.id,
                    "document": row.document,
                    "added_at": row.added_at.isoformat(),
                    "encryption": row.options.encryption.value,
                    "signed_requests": row.options.signed_requests.value,
                    "tags": sorted(row.options.tags),
                    "start_url": row.options.start_url,
                }
                for row in rows
            ],
        }
    ).encode()


def decode(octets: bytes) -> Registrations:
    """The reverse; what cannot be read is ``Unavailable``, never an empty registry."""
    try:
        written = json.loads(octets)
        if written["v"] != _FORMAT:
            raise Unavailable("registry", "written by another release")
        rows = (
            Registration(
                ServiceId(row["id"]),
                row["document"],
                ServiceOptions(
                    Encryption(row["encryption"]),
                    SignedRequests(row["signed_requests"]),
                    frozenset(row["tags"]),
                    row["start_url"],
                ),
                datetime.fromisoformat(row["added_at"]),
            )
            for row in written["services"]
        )
        return Registrations(int(written["version"]), {row.id: row for row in rows})
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable("registry", f"damaged: {type(error).__name__}") from error
