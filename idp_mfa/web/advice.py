"""Pages of advice, open to everybody: questions and answers, clocks, auto-fill on Apple devices."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from flask import Response, request

from idp_mfa.auto_fill import auto_fill, system_of
from idp_mfa.browser import Browser, Route
from idp_mfa.model import Clock

AUTO_FILL_LINK = "/ios/link"
"""Where the link is that hands the key to this device; only its owner is shown it."""
_MOST_TYPED = 100


def words_of(typed: str) -> tuple[str, ...]:
    """What is looked for, in the spelling of the page's own letters."""
    return tuple(unicodedata.normalize("NFKC", typed[:_MOST_TYPED]).lower().split())


class AdvicePages:
    """``has``: what this site has (factors, "mail"), for questions that can arise only with it."""

    def __init__(self, browser: Browser, clock: Clock, has: Collection[str]) -> None:
        self._browser = browser
        self._clock = clock
        self._needs = frozenset({"", *has})

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route("/help", "help", self.help),
            Route("/clock", "clock", self.clock),
            Route("/ios", "ios", self.apple),
        )

    def help(self) -> Response:
        """Every question, or those that hold all words that were looked for."""
        typed = request.args.get("q", "")[:_MOST_TYPED]
        return self._browser.page(
            "help.html", typed=typed, words=words_of(typed), needs=self._needs
        )

    def clock(self) -> Response:
        """What the time is here, for the device's to be held against it."""
        now = self._clock()
        return self._browser.page(
            "clock.html",
            now=now,
            shown=self._browser.second(now),
            system=system_of(request.headers.get("User-Agent", "")),
        )

    def apple(self) -> Response:
        """How codes are filled in by themselves, and whether this browser can be set up for it."""
        return self._browser.page(
            "ios.html",
            auto_fill=auto_fill(request.headers.get("User-Agent", "")).value,
            link=AUTO_FILL_LINK,
        )
