"""Two nodes behind Debian's nginx and the site that we ship, one store and one directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import requests

from tests.faults.nodes import Node, answers_ready, node
from tests.faults.stand import Stand, off_campus
from tests.faults.visitor import Visitor
from tests.servers.foreground import free_port
from tests.servers.nginx import ADDRESS_HEADER, nginx, origin
from tests.simulators.user_agent import Page, UserAgent

HOST = "localhost"


@dataclass(slots=True)
class Pair:
    """Both nodes, and how to come to them: by the balancer, or to one alone."""

    site: Stand
    origin: str
    ports: tuple[int, int]
    trusted: Path
    running: dict[str, contextlib.ExitStack]
    nodes: dict[str, Node]

    def start(self, name: str) -> Node:
        """Serve."""
        stack = contextlib.ExitStack()
        more = {"base_url": self.origin}
        port = self.ports["ab".index(name)]
        started = node(self.site, name, port=port, more=more | bound(port), started=answers_ready)
        self.nodes[name] = stack.enter_context(started)
        self.running[name] = stack
        return self.nodes[name]

    def stop(self, name: str) -> None:
        """As a supervisor stops it: TERM, and wait."""
        self.running.pop(name).close()

    def visitor(self, address: str | None = None) -> Visitor:
        """A browser that comes by the balancer."""
        visitor = self.site.visitor(address or off_campus(), self.origin)
        visitor.session.verify, visitor.session.trust_env = str(self.trusted), False
        visitor.session.headers[ADDRESS_HEADER] = visitor.address or ""
        return visitor

    def at(self, port: int, page: Page) -> Page:
        """The same browser's page, asked of one node alone, past the balancer."""
        other = Straight(self.origin, page.agent.address, port=port, before=page.agent)
        self.site.visitors.append(other)
        return other.send("GET", page.url, None)


class Straight(Visitor):
    """Speaks to one node in clear, and keeps its cookies as if it were the balancer."""

    def __init__(self, idp: str, address: str | None, *, port: int, before: UserAgent) -> None:
        super().__init__(idp, address)
        self.port = port
        self.kept = (
            dict(before.kept)
            if isinstance(before, Straight)
            else {each.name: each.value or "" for each in before.session.cookies}
        )
        self.session.headers["X-Forwarded-For"] = address or ""
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.session.hooks["response"].append(self._keep)

    def once(self, method: str, url: str, data: Mapping[str, str] | None) -> Page:
        """One request, its cookies by hand: a jar sends none that is Secure in clear."""
        self.session.headers["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.kept.items())
        page = super().once(method, url.replace(self.idp, f"http://127.0.0.1:{self.port}"), data)
        page.url = url
        return page

    def _keep(self, answer: requests.Response, **_: object) -> None:
        for line in answer.raw.headers.getlist("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.kept[name] = value


def bound(port: int) -> dict[str, object]:
    return {"server": {"bind": f"127.0.0.1:{port}", "workers": 2}}


@contextlib.contextmanager
def pair_of(site: Stand) -> Iterator[Pair]:
    """Both nodes on the stand's roads, and nginx before them."""
    tls, ports = free_port(), (free_port(), free_port())
    with nginx(tls, idp=(HOST, ports[0]), services={}, more_nodes=ports[1:]) as front:
        trusted = front.authority.pair.certificate
        both = Pair(site, origin(HOST, tls), ports, trusted, {}, {})
        try:
            for name in ("a", "b"):
                both.start(name)
            yield both
        finally:
            for name in list(both.running):
                both.stop(name)
