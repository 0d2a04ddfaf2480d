"""What a balancer and a supervisor ask: alive, and ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response, jsonify

from idp_mfa.browser import Route
from idp_mfa.ports import Unavailable


class Health:
    """``/healthz`` asks nobody; ``/readyz`` asks each part, and names which one is not there."""

    def __init__(self, parts: Mapping[str, Callable[[], None]]) -> None:
        self._parts = parts

    def routes(self) -> tuple[Route, ...]:
        """The table of addresses."""
        return (
            Route("/healthz", "health.alive", self.alive),
            Route("/readyz", "health.ready", self.ready),
        )

    def alive(self) -> Response:
        """The process answers."""
        return jsonify(status="ok")

    def ready(self) -> Response:
        """200 when every part answers, else 503; no reason is given to strangers."""
        states = {name: _answers(ping) for name, ping in self._parts.items()}
        response = jsonify(
            {name: "ok" if answers else "unavailable" for name, answers in states.items()}
        )
        response.status_code = 200 if all(states.values()) else 503
        return response


def _answers(ping: Callable[[], None]) -> bool:
    try:
        ping()
    except Unavailable:
        return False
    return True
