"""What a sign-in's pages show, by where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from flask import Response, request

from idp_mfa.browser import Browser, csrf_of
from idp_mfa.diagnosis import Diagnosis, told
from idp_mfa.factor import Challenge, Factor, Rejected
from idp_mfa.model import (
    RECOVERY_CODE,
    Because,
    Clock,
    FactorName,
    Page,
    Refusal,
    Service,
)
from idp_mfa.own_pages import SetUp
from idp_mfa.policy.assurance import factors_asked, kinds_asked
from idp_mfa.policy.model import Policy
from idp_mfa.policy.places import place, places
from idp_mfa.signin.flow import (
    Authenticated,
    AwaitChoice,
    AwaitEnrolment,
    AwaitIdentity,
    AwaitResponse,
    Refused,
)
from idp_mfa.signin.outcomes import (
    Absent,
    Gone,
    OtherBrowser,
)
from idp_mfa.signin.service import choice_of
from idp_mfa.signin.transaction import Transaction

_ANSWERED_AT_ONCE = frozenset(
    {Refusal.CANCELLED, Refusal.INTERACTION_REQUIRED, Refusal.IDENTITY_SWITCH}
)
"""Endings that need no page of ours: the service is told straight away."""


@dataclass(frozen=True, slots=True)
class ServiceShown:
    """A service in the reader's language."""

    name: str
    host: str
    logo: str | None


@dataclass(frozen=True, slots=True)
class AnswerProblem:
    """What the page says of an answer that does not count."""

    kind: str
    left: int
    seconds: int | None
    issuer: str
    others: bool = False
    minutes: int | None = None
    day: str | None = None


class SignInDrawing:
    """Draws and decides nothing; the steps are those of web/signin.py."""

    def __init__(
        self,
        *,
        browser: Browser,
        factors: Mapping[FactorName, Factor],
        policy: Callable[[], Policy],
        clock: Clock,
        issuer: str,
        reissued: Set[FactorName],
        set_ups: Mapping[FactorName, SetUp],
        takes_passkeys: bool,
    ) -> None:
        """``reissued`` are the factors that a mailed code makes anew.

        ``set_ups`` is where those are set up that may be somebody's only one, the likeliest first.
        """
        self._browser = browser
        self._factors = factors
        self._policy = policy
        self._clock = clock
        self._issuer = issuer
        self._reissued = reissued
        self._set_ups = set_ups
        self._takes_passkeys = takes_passkeys

    def absent(self, found: Absent) -> Response:
        """What stands where this browser has no sign-in of its own (any more)."""
        match found:
            case Gone():
                return self._browser.page(
                    "signin/moved.html", 410, kind="expired", service=None, start_url=None
                )
            case OtherBrowser(id, service, answered):
                return self.answered(service, None if answered else f"/signin/{id}/again")
            case never:
                assert_never(never)

    def answered(
        self, service: Service, restart_action: str | None, fetch_url: str | None = None
    ) -> Response:
        """409: it went on elsewhere, or was answered already."""
        return self._browser.page(
            "signin/moved.html",
            409,
            kind="answered" if restart_action is None else "other-browser",
            service=self._shown(service),
            restart_action=restart_action,
            start_url=service.start_url,
            fetch_url=fetch_url,
        )

    def draw(self, transaction: Transaction, binding: str, login: str | None = None) -> Response:
        """The page of where a sign-in stands; ``login`` is who is signed in here already."""
        match transaction.state:
            case AwaitIdentity():
                hint = transaction.request.login_hint or login or ""
                return self.password(transaction, binding, hint, None, None, signed_in_as=login)
            case AwaitChoice() as choice:
                return self.choice(transaction, choice, binding)
            case AwaitResponse():
                return self.challenge(transaction, binding, None)
            case Authenticated() if transaction.session is not None:
                # Back from the service, where the same answer again would only be an error; or a
                # browser that lost the answer on its way.
                return self.answered(transaction.request.service, None, resume(transaction))
            case Authenticated():
                return self._browser.see_other(way_on(transaction))
            case Refused(why) if why in _ANSWERED_AT_ONCE:
                return self._browser.see_other(way_on(transaction))
            case Refused() as refused:
                return self._refused(
                    transaction,
                    refused,
                    set_ups=self._set_up_pages(refused.because),
                    return_action=resume(transaction),
                    cancel_action=None,
                )
            case AwaitEnrolment(_, _, allowed, because):
                return self._refused(
                    transaction,
                    Refused(Refusal.NO_FACTOR_ENROLLED, because),
                    set_ups=[
                        {"factor": name, "action": f"/signin/{transaction.id}/{there.step}"}
                        for name, there in self._set_ups.items()
                        if name in allowed
                    ],
                    return_action=None,
                    cancel_action=f"/signin/{transaction.id}/cancel",
                    csrf=csrf_of(binding),
                )
            case never:
                assert_never(never)

    def password(
        self,
        transaction: Transaction,
        binding: str,
        login: str,
        error: str | None,
        wait: int | None,
        *,
        signed_in_as: str | None = None,
    ) -> Response:
        """The password form; ``error`` is its template's word, ``wait`` is in seconds."""
        return self._browser.page(
            "signin/password.html",
            # Password managers keep a password that was answered without an error status.
            200 if error is None else 429 if error == "throttled" else 422,
            action=f"/signin/{transaction.id}/identity",
            cancel_action=f"/signin/{transaction.id}/cancel",
            passkey_action=f"/signin/{transaction.id}/passkey" if self._takes_passkeys else None,
            question_url=f"/signin/{transaction.id}/question",
            service=self._shown(transaction.request.service),
            login=login[:256],
            error=error,
            wait=wait,
            shared_computer=request.form.get("shared_computer") == "1",
            signed_in_as=signed_in_as,
            csrf=csrf_of(binding),
            version=transaction.version,
            reference=transaction.reference if error else None,
        )

    def choice(self, transaction: Transaction, choice: AwaitChoice, binding: str) -> Response:
        """All usable factors."""
        return self._browser.page(
            "signin/choose.html",
            action=f"/signin/{transaction.id}/choose",
            cancel_action=f"/signin/{transaction.id}/cancel",
            service=self._shown(transaction.request.service),
            user=choice.user,
            **self._why(choice.because),
            factors=[name for name in self._factors if name in choice.offered],
            lost=self._lost(transaction, choice),
            csrf=csrf_of(binding),
            version=transaction.version,
            reference=transaction.reference,
        )

    def challenge(
        self, transaction: Transaction, binding: str, problem: AnswerProblem | None
    ) -> Response:
        """What a factor asks; the way to the page where the sign-in stands if none does now."""
        if not isinstance(transaction.state, AwaitResponse):
            return self._browser.see_other(f"/signin/{transaction.id}")
        choice, challenge = transaction.state.choice, transaction.state.challenge
        return self._browser.page(
            "signin/challenge.html",
            200 if problem is None else 429 if problem.kind == "locked" else 422,
            action=f"/signin/{transaction.id}/response",
            choose_action=f"/signin/{transaction.id}/choose",
            cancel_action=f"/signin/{transaction.id}/cancel",
            service=self._shown(transaction.request.service),
            user=choice.user,
            **self._why(choice.because),
            factor=challenge.factor,
            fields=self._factors[challenge.factor].fields,
            shown=challenge.shown,
            others=len(choice.offered) > 1,
            worn=_worn(challenge, self._clock()),
            lost=self._lost(transaction, choice),
            error=problem,
            csrf=csrf_of(binding),
            version=transaction.version,
            reference=transaction.reference,
        )

    def _refused(
        self,
        transaction: Transaction,
        refused: Refused,
        *,
        set_ups: Sequence[Mapping[str, str]],
        **ways: str | None,
    ) -> Response:
        language = self._browser.language()
        message = refused.message.get(language) or next(iter(refused.message.values()), None)
        request, policy = transaction.request, self._policy()
        because = refused.because
        set_up = () if because is None else because.ways.set_up
        return self._browser.page(
            "signin/refused.html",
            403,
            refusal=refused.why.value,
            message=message,
            service=self._shown(request.service),
            **ways,
            set_ups=set_ups,
            restart_action=None,
            demanded=(kinds_asked(request.acr_values, policy.assurance) or 0) > 1,
            takes=[
                {"factor": name, "url": there.path}
                for name, there in self._set_ups.items()
                if name in factors_asked(request.acr_values, policy.assurance)
            ],
            set_up_here=because is not None and because.zone in set_up,
            set_up=places(policy, set_up, language),
            reference=transaction.reference,
            **self._why(because),
        )

    def _lost(self, transaction: Transaction, choice: AwaitChoice) -> Mapping[str, str | None]:
        """The ways of who cannot use the device; each of them ends at the service.

        A code on paper in its place, or for a new one; a code by mail for a new key.
        """
        here, state = f"/signin/{transaction.id}", transaction.state
        typing = isinstance(state, AwaitResponse) and state.challenge.factor == RECOVERY_CODE
        on_paper = RECOVERY_CODE in choice.offered and not typing
        renewing = transaction.request.page is Page.PORTAL_ADD_FACTOR
        renewable = RECOVERY_CODE in self._factors and not renewing
        return {
            "code_action": f"{here}/choose" if on_paper else None,
            "renew_action": f"{here}/renew" if renewable else None,
            "reissue_action": f"{here}/reissue" if choice.offered & self._reissued else None,
        }

    def _set_up_pages(self, because: Because | None) -> list[dict[str, str]]:
        """Where what would help is set up, for whom no sign-in waits any more."""
        would_do = () if because is None else because.ways.factors
        return [
            {"factor": name, "url": there.path}
            for name, there in self._set_ups.items()
            if name in would_do
        ]

    def _why(self, because: Because | None) -> dict[str, Any]:
        """The reason, where somebody is seen, and from where nothing would be asked."""
        if because is None:
            return {"because": None, "place": None, "elsewhere": ()}
        policy, language = self._policy(), self._browser.language()
        return {
            "because": because,
            "place": place(policy, because.zone, language, because.address),
            "elsewhere": places(policy, because.ways.elsewhere, language),
        }

    def _shown(self, service: Service) -> ServiceShown:
        return ServiceShown(service.name(self._browser.language()), service.host, service.logo)

    def problem(self, rejected: Rejected, left: int, diagnosis: Diagnosis | None) -> AnswerProblem:
        """What is said of an answer that does not count."""
        retry = rejected.retry_in
        seconds = None if retry is None else int(retry.total_seconds()) + 1
        plain = AnswerProblem(rejected.why.value, left, seconds, self._issuer)
        if diagnosis is None:
            return plain
        found = told(diagnosis, self._browser.day)
        return replace(
            plain, kind=found.kind, seconds=found.seconds, minutes=found.minutes, day=found.day
        )

    def throttled(self, transaction: Transaction, binding: str, wait: timedelta) -> Response:
        """429: how long codes are not looked at, and whether another method would do."""
        seconds = int(wait.total_seconds()) + 1
        choice = choice_of(transaction)
        others = choice is not None and len(choice.offered) > 1
        locked = AnswerProblem("locked", 0, seconds, self._issuer, others)
        response = self.challenge(transaction, binding, locked)
        response.headers["Retry-After"] = str(seconds)
        return response


def _worn(challenge: Challenge, at: datetime) -> bool:
    """Whether what is asked should be drawn anew, by the moment that its factor names."""
    due = challenge.shown.get("due")
    return due is not None and datetime.fromisoformat(due) <= at


def resume(transaction: Transaction) -> str:
    """Where whoever asked fetches the finished sign-in."""
    return f"{transaction.request.resume}/{transaction.id}"


def way_on(transaction: Transaction) -> str:
    """Where the browser goes next: to its page, or with an answer that needs none straight on."""
    match transaction.state:
        case Authenticated():
            return resume(transaction)
        case Refused(why) if why in _ANSWERED_AT_ONCE:
            return resume(transaction)
        case _:
            return f"/signin/{transaction.id}"
