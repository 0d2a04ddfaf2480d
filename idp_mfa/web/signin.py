"""The sign-in's pages: password, the yellow screen, and what a sign-in that ended says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from flask import Response, request

from idp_mfa import factor as contract
from idp_mfa.browser import Browser, Route
from idp_mfa.model import (
    Clock,
    FactorName,
    TransactionId,
)
from idp_mfa.ports import Throttled, Unavailable
from idp_mfa.signin.flow import (
    Authenticated,
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
from idp_mfa.signin_drawing import SignInDrawing, way_on


class SignInPages:
    """The face of the sign-in; it knows no protocol, only where a finished one is fetched."""

    def __init__(
        self,
        *,
        signin: SignIn,
        browser: Browser,
        drawing: SignInDrawing,
        clock: Clock,
        answers: Mapping[str, Callable[[At], Response]],
    ) -> None:
        """``answers`` hand out a finished sign-in, by where it would be fetched."""
        self._signin = signin
        self._browser = browser
        self._drawing = drawing
        self._clock = clock
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
            return self._drawing.absent(found)
        if found.binding is not None:
            response = self._at_once(found) or self._drawing.draw(found.transaction, found.binding)
            return browser.set_binding(response, key, found.binding)
        return self._drawing.draw(found.transaction, browser.binding(key) or "", found.login)

    def back(self, id: str) -> Response:
        """A reload of a step's address: the page is where the transaction is."""
        return self._browser.see_other(f"/signin/{id}")

    def choices(self, id: str) -> Response:
        """All usable factors: "use another method"."""
        browser, key = self._browser, TransactionId(id)
        binding = browser.binding(key)
        found = self._signin.look(key, binding)
        if not isinstance(found, Transaction):
            return self._drawing.absent(found)
        choice = choice_of(found)
        if choice is None:
            return browser.see_other(f"/signin/{id}")
        return self._drawing.choice(found, choice, binding or "")

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
                return self._drawing.password(transaction, binding or "", login, "wrong", None)
            case PasswordThrottled(transaction, wait):
                return self._drawing.password(
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
            return self._drawing.password(found.transaction, binding or "", "", "passkey", None)
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
                problem = self._drawing.problem(rejected, left, diagnosis)
                return self._drawing.challenge(transaction, binding or "", problem)
            case AnswerThrottled(transaction, wait):
                return self._drawing.throttled(transaction, binding or "", wait)
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
                return self._drawing.absent(begun)
            case never:
                assert_never(never)

    # -- going on -----------------------------------------------------------------------------

    def _after(self, found: At | Stale | Absent) -> Response:
        match found:
            case At(transaction, binding):
                response = self._at_once(found) or self._browser.see_other(way_on(transaction))
                if binding is not None:
                    self._browser.set_binding(response, transaction.id, binding)
                return response
            case Stale(transaction):
                # A double click, a form sent once more, an old tab: the page, or by now the
                # answer, is where the transaction is.
                return self._browser.see_other(way_on(transaction))
            case OtherBrowser() | Gone():
                return self._drawing.absent(found)
            case never:
                assert_never(never)

    def _at_once(self, found: At) -> Response | None:
        """The answer itself where this request finished the sign-in: a round less for the browser.

        A part that fails meanwhile is met again at the answer's own address, whose page says so.
        """
        if found.binding is not None:
            # Who loses an answer must still hold what fetches it again.
            return None
        transaction = found.transaction
        answer = self._answers.get(transaction.request.resume)
        finished = isinstance(transaction.state, Authenticated)
        if answer is None or found.account is None or not finished:
            return None
        try:
            return answer(found)
        except Unavailable:
            return None

    def _version(self) -> int:
        sent = request.form.get("version", "")
        return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 6 else -1
