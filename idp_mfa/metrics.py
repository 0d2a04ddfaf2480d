"""What a site watches: counts, times and states as Prometheus reads them, on an address of its own.

The only door to prometheus_client. Every worker counts in a file that all of them share, and
whichever answers adds them up. Labels are closed lists, or the ids of registered services; nothing
that a user or a request says becomes one.
"""

from __future__ import annotations

import http.server
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from socket import socket

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from idp_mfa.audit import AuditEvent, AuditRecord
from idp_mfa.factor import Rejection
from idp_mfa.model import PASSWORD, FactorName, Refusal
from idp_mfa.ports import Waiting

CONTENT_TYPE = exposition.CONTENT_TYPE_PLAIN_0_0_4
_OTHER = "other"
_ACCEPTED = "accepted"
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REFUSALS = frozenset(why.value for why in Refusal)
_RESULTS = frozenset({*(why.value for why in Rejection), "wrong", "unusable", "account"})
_CLIENT_SECONDS = 5
_TRIES = 3


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One key that signs or seals; ``ends`` is its certificate's end."""

    purpose: str
    id: str
    state: str
    since: datetime | None
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """In bytes; a limit of 0 is none."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class Facts:
    """How this node stands when it is asked."""

    parts: Mapping[str, bool]
    policy: str
    keys: tuple[KeyFacts, ...]
    threads: int
    store_memory: StoreMemory | None
    letters: Waiting | None = None


class Metrics:
    """Counts by reading along in the record, and by timing each request.

    As a sink of the audit it takes every record and keeps none.
    """

    name = "metrics"
    keeps = False

    def __init__(
        self,
        factors: Iterable[FactorName],
        facts: Callable[[], Facts],
        clock: Callable[[], datetime],
        stopwatch: Callable[[], float],
    ) -> None:
        self._facts = facts
        self._clock = clock
        self._stopwatch = stopwatch
        self._limited = frozenset({*factors, PASSWORD, "network", "sign-ins"})
        own = CollectorRegistry()
        self._begun = Counter("idp_mfa_sign_ins_begun", "Sign-ins begun", registry=own)
        self._ended = Counter(
            "idp_mfa_sign_ins", "Sign-ins ended, by outcome", ["outcome"], registry=own
        )
        self._assertions = Counter(
            "idp_mfa_assertions", "Assertions, by registered service", ["service"], registry=own
        )
        self._checks = Counter(
            "idp_mfa_checks", "Passwords and factors checked", ["factor", "result"], registry=own
        )
        self._limits = Counter(
            "idp_mfa_limits_reached", "Tries that a limit did not allow", ["of"], registry=own
        )
        self._events = Counter("idp_mfa_events", "Audit records, by event", ["event"], registry=own)
        self._missing = Counter(
            "idp_mfa_unavailable", "Requests answered 503, by part", ["part"], registry=own
        )
        self._seconds = Histogram(
            "idp_mfa_request_seconds",
            "Time to answer",
            ["endpoint", "status"],
            buckets=_BUCKETS,
            registry=own,
        )
        self._busy = Gauge(
            "idp_mfa_requests_in_progress",
            "Requests being answered, of idp_mfa_threads",
            multiprocess_mode="livesum",
            registry=own,
        )

    # -- a sink of the audit -----------------------------------------------------------------

    def write(self, record: AuditRecord, line: str) -> str:
        """Count what goes on record."""
        self._events.labels(record.event.value).inc()
        detail = record.detail
        match record.event:
            case AuditEvent.SIGN_IN_BEGAN:
                self._begun.inc()
            case AuditEvent.ASSERTION_ISSUED:
                self._ended.labels("issued").inc()
                self._assertions.labels(record.service or "").inc()
            case AuditEvent.SIGN_IN_REFUSED:
                self._ended.labels(_one_of(_REFUSALS, detail.get("why"))).inc()
            case AuditEvent.PASSWORD_ACCEPTED:
                self._checks.labels(PASSWORD, _ACCEPTED).inc()
            case AuditEvent.PASSWORD_REJECTED:
                self._checks.labels(PASSWORD, _one_of(_RESULTS, detail.get("why"))).inc()
            case AuditEvent.FACTOR_ACCEPTED:
                self._checks.labels(self._factor(detail.get("factor")), _ACCEPTED).inc()
            case AuditEvent.FACTOR_REJECTED:
                factor = self._factor(detail.get("factor"))
                self._checks.labels(factor, _one_of(_RESULTS, detail.get("why"))).inc()
            case AuditEvent.LIMIT_REACHED:
                self._limits.labels(self._factor(detail.get("of"))).inc()
            case AuditEvent.PART_UNAVAILABLE:
                self._missing.labels(str(detail.get("part"))).inc()
            case _:
                pass
        return line

    def check(self) -> None:
        """Nothing: counting does not fail."""

    def close(self) -> None:
        """Nothing is open."""

    # -- requests ----------------------------------------------------------------------------

    def watch(self, app: Flask) -> None:
        """Time every request of an application; before anything else looks at it."""
        app.before_request(self._arrived)
        app.after_request(self._answered)
        app.teardown_request(self._left)

    def _arrived(self) -> None:
        g.metrics_began = self._stopwatch()
        self._busy.inc()

    def _answered(self, response: Response) -> Response:
        if (began := g.get("metrics_began")) is not None:
            status = f"{response.status_code // 100}xx"
            self._seconds.labels(request.endpoint or "none", status).observe(
                self._stopwatch() - began
            )
        return response

    def _left(self, _error: BaseException | None) -> None:
        if g.pop("metrics_began", None) is not None:
            self._busy.dec()

    # -- what is told ------------------------------------------------------------------------

    def told(self) -> bytes:
        """All workers' counts, and how this node stands now, in Prometheus' text format."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(self)
        for _ in range(_TRIES - 1):
            try:
                return exposition.generate_latest(registry)
            # A worker that starts makes its file before it gives it a size.
            except struct.error:
                continue
        return exposition.generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        """The states; prometheus_client calls this."""
        facts = self._facts()
        up = GaugeMetricFamily("idp_mfa_part_up", "Whether a part is there", labels=["part"])
        for part, is_up in facts.parts.items():
            up.add_metric([part], float(is_up))
        policy = GaugeMetricFamily("idp_mfa_policy_info", "The policy", labels=["version"])
        policy.add_metric([facts.policy], 1)
        age = GaugeMetricFamily(
            "idp_mfa_key_age_seconds",
            "Since a key is in its state",
            labels=["purpose", "id", "state"],
        )
        ends = GaugeMetricFamily(
            "idp_mfa_certificate_end_timestamp_seconds", "When it ends", labels=["id", "state"]
        )
        now = self._clock()
        for key in facts.keys:
            if key.since is not None:
                seconds = (now - key.since).total_seconds()
                age.add_metric([key.purpose, key.id, key.state], seconds)
            if key.ends is not None:
                ends.add_metric([key.id, key.state], key.ends.timestamp())
        threads = GaugeMetricFamily("idp_mfa_threads", "Requests that can be answered at once")
        threads.add_metric([], facts.threads)
        memory = GaugeMetricFamily("idp_mfa_store_memory_bytes", "Of the store", labels=["of"])
        if facts.store_memory is not None:
            memory.add_metric(["used"], facts.store_memory.used)
            memory.add_metric(["limit"], facts.store_memory.limit)
        waiting = GaugeMetricFamily("idp_mfa_letters_waiting", "Letters that are due")
        oldest = GaugeMetricFamily(
            "idp_mfa_letters_oldest_seconds", "Since when the oldest of them is due"
        )
        if facts.letters is not None:
            since = facts.letters.since
            waiting.add_metric([], facts.letters.letters)
            oldest.add_metric([], 0 if since is None else max(0, (now - since).total_seconds()))
        return (up, policy, age, ends, threads, memory, waiting, oldest)

    def _factor(self, name: object) -> str:
        return _one_of(self._limited, name)


def serve(listener: socket, metrics: Metrics) -> None:
    """Answer on a socket that all workers share, in a thread that dies with this one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        server_version, sys_version = "idp_mfa", ""
        timeout = _CLIENT_SECONDS

        def do_GET(self) -> None:
            """The one page."""
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            told = metrics.told()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a scrape is no event."""

    # A connection that another worker was quicker to take must not hold this one up.
    listener.setblocking(False)
    server = http.server.HTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def forget(pid: int) -> None:
    """A worker is gone: what it counted stays, what it was doing does not."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _one_of(known: frozenset[str], value: object) -> str:
    return value if isinstance(value, str) and value in known else _OTHER
