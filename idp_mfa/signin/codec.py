"""Transactions as versioned JSON, for the store."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, assert_never

from idp_mfa.factor import Challenge
from idp_mfa.model import (
    Acr,
    AuthnRequest,
    FactorName,
    Page,
    Reference,
    Refusal,
    Service,
    ServiceId,
    TransactionId,
)
from idp_mfa.signin.flow import (
    Authenticated,
    AwaitChoice,
    AwaitEnrolment,
    AwaitIdentity,
    AwaitResponse,
    Refused,
    State,
)
from idp_mfa.signin.transaction import Transaction
from idp_mfa.stored import (
    Json,
    because_from_json,
    because_to_json,
    user_from_json,
    user_to_json,
    verifications_from_json,
    verifications_to_json,
)

_FORMAT = 1


def encode(transaction: Transaction) -> bytes:
    """The same bytes for the same transaction, so that ``swap`` can compare them."""
    return json.dumps(
        {
            "v": _FORMAT,
            "id": transaction.id,
            "version": transaction.version,
            "state": _state_to_json(transaction.state),
            "request": _request_to_json(transaction.request),
            "browser": transaction.browser,
            "reference": transaction.reference,
            "began_at": transaction.began_at.isoformat(),
            "deadline": transaction.deadline.isoformat(),
            "shared": transaction.shared_computer,
            "session": transaction.session,
        },
        sort_keys=True,
    ).encode()


def decode(stored: bytes) -> Transaction | None:
    """The reverse of ``encode``; None for a format that this release does not know."""
    value = json.loads(stored)
    if value.get("v") != _FORMAT:
        return None
    return Transaction(
        TransactionId(value["id"]),
        value["version"],
        _state_from_json(value["state"]),
        _request_from_json(value["request"]),
        value["browser"],
        Reference(value["reference"]),
        datetime.fromisoformat(value["began_at"]),
        datetime.fromisoformat(value["deadline"]),
        value["shared"],
        value.get("session"),
    )


def _state_to_json(state: State) -> Json:
    match state:
        case AwaitIdentity():
            return {"is": "await-identity"}
        case AwaitChoice():
            return {"is": "await-choice", **_choice_to_json(state)}
        case AwaitResponse(choice, challenge):
            return {
                "is": "await-response",
                "choice": _choice_to_json(choice),
                "challenge": {
                    "factor": challenge.factor,
                    "kept": dict(challenge.kept),
                    "shown": dict(challenge.shown),
                    "asked_at": None
                    if challenge.asked_at is None
                    else challenge.asked_at.isoformat(),
                },
            }
        case AwaitEnrolment(user, verified, allowed, because):
            return {
                "is": "await-enrolment",
                "user": user_to_json(user),
                "verified": verifications_to_json(verified),
                "allowed": sorted(allowed),
                "because": because_to_json(because),
            }
        case Authenticated(user, verified, acr, because):
            return {
                "is": "authenticated",
                "user": user_to_json(user),
                "verified": verifications_to_json(verified),
                "acr": acr,
                "because": because_to_json(because),
            }
        case Refused(why, because, message):
            return {
                "is": "refused",
                "why": why.value,
                "because": None if because is None else because_to_json(because),
                "message": dict(message),
            }
        case never:
            assert_never(never)


def _state_from_json(value: Json) -> State:
    match value["is"]:
        case "await-identity":
            return AwaitIdentity()
        case "await-choice":
            return _choice_from_json(value)
        case "await-response":
            asked = value["challenge"]
            return AwaitResponse(
                _choice_from_json(value["choice"]),
                Challenge(
                    FactorName(asked["factor"]),
                    asked["kept"],
                    asked["shown"],
                    datetime.fromisoformat(asked["asked_at"]) if asked.get("asked_at") else None,
                ),
            )
        case "await-enrolment":
            return AwaitEnrolment(
                user_from_json(value["user"]),
                verifications_from_json(value["verified"]),
                frozenset(FactorName(name) for name in value["allowed"]),
                because_from_json(value["because"]),
            )
        case "authenticated":
            return Authenticated(
                user_from_json(value["user"]),
                verifications_from_json(value["verified"]),
                Acr(value["acr"]),
                because_from_json(value["because"]),
            )
        case "refused":
            because = value["because"]
            return Refused(
                Refusal(value["why"]),
                None if because is None else because_from_json(because),
                value["message"],
            )
        case other:
            raise ValueError(f"no state is called {other!r}")


def _choice_to_json(choice: AwaitChoice) -> Json:
    return {
        "user": user_to_json(choice.user),
        "verified": verifications_to_json(choice.verified),
        "offered": sorted(choice.offered),
        "because": because_to_json(choice.because),
    }


def _choice_from_json(value: Json) -> AwaitChoice:
    return AwaitChoice(
        user_from_json(value["user"]),
        verifications_from_json(value["verified"]),
        frozenset(FactorName(name) for name in value["offered"]),
        because_from_json(value["because"]),
    )


def _request_to_json(request: AuthnRequest) -> Json:
    service = request.service
    return {
        "service": {
            "id": service.id,
            "names": dict(service.names),
            "host": service.host,
            "logo": service.logo,
            "tags": sorted(service.tags),
            "start_url": service.start_url,
        },
        "page": request.page.value,
        "resume": request.resume,
        "context": dict(request.context),
        "acr_values": list(request.acr_values),
        "force_authn": request.force_authn,
        "is_passive": request.is_passive,
        "max_age": None if request.max_age is None else request.max_age.total_seconds(),
        "login_hint": request.login_hint,
        "first": request.first,
    }


def _request_from_json(value: Json) -> AuthnRequest:
    service: dict[str, Any] = value["service"]
    return AuthnRequest(
        Service(
            ServiceId(service["id"]),
            service["names"],
            service["host"],
            service["logo"],
            frozenset(service["tags"]),
            service["start_url"],
        ),
        Page(value["page"]),
        value["resume"],
        value["context"],
        tuple(Acr(acr) for acr in value["acr_values"]),
        value["force_authn"],
        value["is_passive"],
        None if value["max_age"] is None else timedelta(seconds=value["max_age"]),
        value["login_hint"],
        # Sign-ins of a node that knew no such wish are still open.
        None if value.get("first") is None else FactorName(value["first"]),
    )
