"""The sign-in's pages: password, the yellow screen, and what a sign-in that ended says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from flask import Response, request

from idp_mfa import factor as contract
from idp_mfa.browser import Browser, Route, csrf_of
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
    TransactionId,
)
from idp_mfa.own_pages import SetUp
from idp_mfa.policy.assurance import factors_asked, kinds_asked
from idp_mfa.policy.model import Policy
from idp_mfa.policy.places import place, places
from idp_mfa.ports import Throttled, Unavailable
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
    AnswerNotAccepted,
    AnswerThrottled,
    At,
    Begun,
    Gone,
    OtherBrowser,
    PasskeyNotAccepted,
    PasswordNotAccepted,
    PasswordThrottled,
    Stale,
    Typed,
)
from idp_mfa.signin.service import SignIn, choice_of
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


class SignInPages:
    """The face of the sign-in; it knows no protocol, only where a finished one is fetched."""

    def __init__(
        self,
        *,
        signin: SignIn,
        browser: Browser,
        factors: Mapping[FactorName, Factor],
        policy: Callable[[], Policy],
        clock: Clock,
        issuer: str,
        reissued: Set[FactorName],
        set_ups: Mapping[FactorName, SetUp],
        answers: Mapping[str, Callable[[At], Response]],
    ) -> None:
        """``reissued`` are the factors that a mailed code makes anew.

        ``set_ups`` is where those are set up that may be somebody's only one, the likeliest first.

        ``answers`` hand out a finished sign-in, by where it would be fetched.
        """
        self._signin = signin
        self._browser = browser
        self._factors = factors
        self._policy = policy
        self._clock = clock
        self._issuer = issuer
        self._reissued = reissued
        self._set_ups = set_ups
        self._answers = answers

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        here = "/signin/<id>"
        return (
            Route(here, "signin.show", self.show),
            Route(f"{here}/identity", "signin.identity", self.identity, ("POST",)),
            Route(f"{here}/question", "signin.question", self.question, ("POST",)),
            Route(f"{here}/passkey", "signin.passkey", self.passkey, ("POST",)),
            Route(f"{here}/choose", "signin.choices", self.choices),
            Route(f"{here}/choose", "signin.choose", self.choose, ("POST",)),
            Route(f"{here}/response", "signin.response", self.response, ("POST",)),
            Route(f"{here}/cancel", "signin.cancel", self.cancel, ("POST",)),
            Route(f"{here}/again", "signin.again", self.again, ("POST",)),
            *(
                Route(f"{here}/{step}", f"signin.{step}.back", self.back)
                for step in ("identity", "question", "passkey", "response", "cancel", "again")
            ),
        )

    # -- looking -----------------------------------------------------------------------------

    def show(self, id: str) -> Response:
        """Where this sign-in stands."""
        browser, key = self._browser, TransactionId(id)
        found = self._signin.arrive(
            key, browser.binding(key), browser.session_cookie(), browser.seen()
        )
        if not isinstance(found, At):
            return self._absent(found)
        if found.binding is not None:
            response = self._at_once(found) or self._draw(found.transaction, found.binding)
            return browser.set_binding(response, key, found.binding)
        return self._draw(found.transaction, browser.binding(key) or "", found.login)

    def back(self, id: str) -> Response:
        """A reload of a step's address: the page is where the transaction is."""
        return self._browser.see_other(f"/signin/{id}")

    def choices(self, id: str) -> Response:
        """All usable factors: "use another method"."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        found = self._signin.look(key, binding)
        if not isinstance(found, Transaction):
            return self._absent(found)
        choice = choice_of(found)
        if choice is None:
            return browser.see_other(f"/signin/{id}")
        return self._draw_choice(found, choice, binding or "")

    # -- moving ------------------------------------------------------------------------------

    def identity(self, id: str) -> Response:
        """The password form."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        if not browser.csrf_right(binding):
            return self.back(id)
        login = request.form.get("username", "")
        found = self._signin.identify(
            key,
            binding,
            self._version(),
            typed=Typed(
                login[:256],
                request.form.get("password", "").encode(),
                request.form.get("shared_computer") == "1",
            ),
            device_cookie=browser.device_cookie(),
            seen=browser.seen(),
        )
        match found:
            case PasswordNotAccepted(transaction):
                return self._draw_password(transaction, binding or "", login, "wrong", None)
            case PasswordThrottled(transaction, wait):
                return self._draw_password(
                    transaction, binding or "", login, "throttled", int(wait.total_seconds()) + 1
                )
            case At() | Stale() | OtherBrowser() | Gone():
                return self._after(found)
            case never:
                assert_never(never)

    def question(self, id: str) -> Response:
        """What a passkey without a name has to sign, for the script that asks for it."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        asked = self._signin.ask_passkey(key, binding) if browser.csrf_right(binding) else None
        if asked is None:
            status = 410 if isinstance(self._signin.look(key, binding), Gone) else 409
            return Response("{}", status, mimetype="application/json")
        return Response(asked.shown["options"], mimetype="application/json")

    def passkey(self, id: str) -> Response:
        """The answer of a passkey without a name."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        if not browser.csrf_right(binding):
            return self.back(id)
        found = self._signin.identify_by_passkey(
            key,
            binding,
            contract.Response(dict(request.form.items())),
            browser.seen(),
            shared_computer=request.form.get("shared_computer") == "1",
        )
        if isinstance(found, PasskeyNotAccepted):
            return self._draw_password(found.transaction, binding or "", "", "passkey", None)
        return self._after(found)

    def choose(self, id: str) -> Response:
        """One of the offered factors."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        if not browser.csrf_right(binding):
            return self.back(id)
        wanted = FactorName(request.form.get("factor", ""))
        return self._after(
            self._signin.choose(key, binding, self._version(), wanted, browser.seen())
        )

    def response(self, id: str) -> Response:
        """The answer to what was asked."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        if not browser.csrf_right(binding):
            return self.back(id)
        found = self._signin.respond(
            key,
            binding,
            self._version(),
            response=contract.Response(dict(request.form.items())),
            device_cookie=browser.device_cookie(),
            seen=browser.seen(),
        )
        match found:
            case AnswerNotAccepted(transaction, rejected, left, diagnosis):
                problem = self._problem(rejected, left)
                if diagnosis is not None:
                    problem = self._diagnosed(problem, diagnosis)
                return self._draw_challenge(transaction, binding or "", problem)
            case AnswerThrottled(transaction, wait):
                seconds = int(wait.total_seconds()) + 1
                choice = choice_of(transaction)
                others = choice is not None and len(choice.offered) > 1
                locked = AnswerProblem("locked", 0, seconds, self._issuer, others)
                response = self._draw_challenge(transaction, binding or "", locked)
                response.headers["Retry-After"] = str(seconds)
                return response
            case At() | Stale() | OtherBrowser() | Gone():
                return self._after(found)
            case never:
                assert_never(never)

    def cancel(self, id: str) -> Response:
        """Back to the service without signing in."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        if not browser.csrf_right(binding):
            return self.back(id)
        return self._after(self._signin.cancel(key, binding, browser.seen()))

    def again(self, id: str) -> Response:
        """Begin anew, in this browser, what another browser or an older cookie had begun.

        It carries no token of ours because there is no cookie to bind one to: like the service's
        own request, it only opens an empty sign-in of this browser's own.
        """
        begun = self._signin.begin_again(TransactionId(id), self._browser.seen())
        match begun:
            case Begun():
                return self._browser.begun(begun)
            case Throttled(until):
                return self._browser.too_many(until - self._clock())
            case OtherBrowser() | Gone():
                return self._absent(begun)
            case never:
                assert_never(never)

    # -- drawing -----------------------------------------------------------------------------

    def _after(self, found: At | Stale | Absent) -> Response:
        match found:
            case At(transaction, binding):
                response = self._at_once(found) or self._browser.see_other(_way_on(transaction))
                if binding is not None:
                    self._browser.set_binding(response, transaction.id, binding)
                return response
            case Stale(transaction):
                # A double click, a form sent once more, an old tab: the page, or by now the
                # answer, is where the transaction is.
                return self._browser.see_other(_way_on(transaction))
            case OtherBrowser() | Gone():
                return self._absent(found)
            case never:
                assert_never(never)

    def _at_once(self, found: At) -> Response | None:
        """The answer itself where this request finished the sign-in: a round less for the browser.

        A part that fails meanwhile is met again at the answer's own address, whose page says so.
        """
        transaction = found.transaction
        answer = self._answers.get(transaction.request.resume)
        finished = isinstance(transaction.state, Authenticated)
        if answer is None or found.account is None or not finished:
            return None
        try:
            return answer(found)
        except Unavailable:
            return None

    def _absent(self, found: Absent) -> Response:
        match found:
            case Gone():
                return self._browser.page(
                    "signin/moved.html", 410, kind="expired", service=None, start_url=None
                )
            case OtherBrowser(id, service, answered):
                return self._answered(service, None if answered else f"/signin/{id}/again")
            case never:
                assert_never(never)

    def _answered(self, service: Service, restart_action: str | None) -> Response:
        return self._browser.page(
            "signin/moved.html",
            409,
            kind="answered" if restart_action is None else "other-browser",
            service=self._shown(service),
            restart_action=restart_action,
            start_url=service.start_url,
        )

    def _draw(self, transaction: Transaction, binding: str, login: str | None = None) -> Response:
        match transaction.state:
            case AwaitIdentity():
                hint = transaction.request.login_hint or login or ""
                return self._draw_password(
                    transaction, binding, hint, None, None, signed_in_as=login
                )
            case AwaitChoice() as choice:
                return self._draw_choice(transaction, choice, binding)
            case AwaitResponse():
                return self._draw_challenge(transaction, binding, None)
            case Authenticated() if transaction.session is not None:
                # Back from the service: posting the same answer again would only be an error there.
                return self._answered(transaction.request.service, None)
            case Authenticated():
                return self._browser.see_other(_way_on(transaction))
            case Refused(why) if why in _ANSWERED_AT_ONCE:
                return self._browser.see_other(_way_on(transaction))
            case Refused() as refused:
                return self._draw_refused(
                    transaction,
                    refused,
                    set_ups=self._set_up_pages(refused.because),
                    return_action=_resume(transaction),
                    cancel_action=None,
                )
            case AwaitEnrolment(_, _, allowed, because):
                return self._draw_refused(
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

    def _draw_password(
        self,
        transaction: Transaction,
        binding: str,
        login: str,
        error: str | None,
        wait: int | None,
        *,
        signed_in_as: str | None = None,
    ) -> Response:
        return self._browser.page(
            "signin/password.html",
            # Password managers keep a password that was answered without an error status.
            200 if error is None else 429 if error == "throttled" else 422,
            action=f"/signin/{transaction.id}/identity",
            cancel_action=f"/signin/{transaction.id}/cancel",
            passkey_action=f"/signin/{transaction.id}/passkey"
            if self._signin.takes_passkeys
            else None,
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

    def _draw_choice(self, transaction: Transaction, choice: AwaitChoice, binding: str) -> Response:
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

    def _draw_challenge(
        self, transaction: Transaction, binding: str, problem: AnswerProblem | None
    ) -> Response:
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

    def _draw_refused(
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

    def _problem(self, rejected: Rejected, left: int) -> AnswerProblem:
        retry = rejected.retry_in
        seconds = None if retry is None else int(retry.total_seconds()) + 1
        return AnswerProblem(rejected.why.value, left, seconds, self._issuer)

    def _diagnosed(self, problem: AnswerProblem, diagnosis: Diagnosis) -> AnswerProblem:
        found = told(diagnosis, self._browser.day)
        return replace(
            problem,
            kind=found.kind,
            seconds=found.seconds,
            minutes=found.minutes,
            day=found.day,
        )

    def _shown(self, service: Service) -> ServiceShown:
        return ServiceShown(service.name(self._browser.language()), service.host, service.logo)

    def _version(self) -> int:
        sent = request.form.get("version", "")
        return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 6 else -1


def _worn(challenge: Challenge, at: datetime) -> bool:
    """Whether what is asked should be drawn anew, by the moment that its factor names."""
    due = challenge.shown.get("due")
    return due is not None and datetime.fromisoformat(due) <= at


def _resume(transaction: Transaction) -> str:
    """Where whoever asked fetches the finished sign-in."""
    return f"{transaction.request.resume}/{transaction.id}"


def _way_on(transaction: Transaction) -> str:
    """Where the browser goes next: to its page, or with an answer that needs none straight on."""
    match transaction.state:
        case Authenticated():
            return _resume(transaction)
        case Refused(why) if why in _ANSWERED_AT_ONCE:
            return _resume(transaction)
        case _:
            return f"/signin/{transaction.id}"
