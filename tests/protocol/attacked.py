"""What the attacks are made on: one identity provider, its directory and store, and services.

The attacker's browser stops at our own pages: it carries nothing to a service, and reads what it
was given to carry.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import redis
import xmlsec
import yaml
from lxml import etree

from tests.servers import slapd, valkey
from tests.servers.foreground import folder, free_port, listening, running
from tests.servers.idp import PROGRAM, WIDE, Idp, identity_provider
from tests.servers.slapd import Slapd
from tests.servers.valkey import Kind, StoreServer
from tests.simulators.person import Person
from tests.simulators.service_provider import (
    NAMES,
    REFEDS_MFA,
    KeyPair,
    Read,
    TestServiceProvider,
    key_pair,
    read_response,
)
from tests.simulators.user_agent import Page, UserAgent

CAMPUS = "192.0.2.10"
OFF_CAMPUS = "203.0.113.10"
PASSWORD_PROTECTED_TRANSPORT = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
_NUMBERS = itertools.count(1)
_STRANGERS = itertools.count(1)
_MOST_HOPS = 10

PLAIN = TestServiceProvider(
    entity_id="https://plain.example/sp",
    acs_url="https://plain.example/acs",
    slo_url="https://plain.example/slo",
    signing=(key_pair("plain"),),
)
STRICT = TestServiceProvider(
    entity_id="https://strict.example/sp",
    acs_url="https://strict.example/acs",
    slo_url="https://strict.example/slo",
    signing=(key_pair("strict, older"), key_pair("strict")),
    signs_requests=True,
)
FOREIGN_KEY = key_pair("nobody's")


class Attacker(UserAgent):
    """A browser that follows redirects within the identity provider and goes no further."""

    def send(self, method: str, url: str, data: Mapping[str, str] | None) -> Page:
        """One request, and the redirects that stay with us."""
        page = self.once(method, url, data)
        for _ in range(_MOST_HOPS):
            location = page.headers.get("Location")
            target = urljoin(page.url, location or "")
            if location is None or not target.startswith(f"{self.idp}/"):
                return page
            page = self.once("GET", target, None)
        raise AssertionError(f"going round in circles: {[hop.url for hop in self.hops[-5:]]}")

    def ask(
        self, service: TestServiceProvider = PLAIN, attributes: str = "", content: str = ""
    ) -> Page:
        """Come from a service with a request to sign in, by redirect."""
        xml = service.authn_request(
            datetime.now(UTC),
            id=new_id(),
            destination=f"{self.idp}/saml/sso",
            attributes=attributes,
            content=content,
        )
        key = service.signing[-1] if service.signs_requests else None
        return self.open(f"{self.idp}/saml/sso?{service.query(xml, key=key).decode()}")

    def ask_mfa(self, service: TestServiceProvider = PLAIN) -> Page:
        """Come from a service that insists on two kinds of factor."""
        return self.ask(
            service,
            content="<samlp:RequestedAuthnContext><saml:AuthnContextClassRef>"
            f"{REFEDS_MFA}</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>",
        )

    def cookie(self, name: str) -> str | None:
        """The value of the cookie whose name begins so, if there is one."""
        for each in self.session.cookies:
            if each.name == name or (name.endswith("-") and each.name.startswith(name)):
                return each.value
        return None

    def plant(self, name: str, value: str) -> None:
        """Put a cookie there that we did not give."""
        self.session.cookies.set(name, value, domain=urlsplit(self.idp).hostname or "", path="/")

    def copy(self, node: str | None = None) -> Attacker:
        """Another browser with all the cookies of this one, at this or another node."""
        other = Attacker(node or self.idp, self.address, self.language)
        other.session.cookies.update(self.session.cookies)
        return other


def new_id() -> str:
    """A request id that was never used."""
    return f"_{secrets.token_hex(16)}"


def carried(page: Page) -> bool:
    """Whether the page holds an answer for a service."""
    return "SAMLResponse" in page.text


def fetched_at(page: Page) -> str:
    """Where the answer of a page's sign-in is fetched by a browser that lost it."""
    found = re.search(r"/(?:signin|saml/answer)/([^/]+)", urlsplit(page.url).path)
    assert found, page.url
    return urljoin(page.url, f"/saml/answer/{found[1]}")


def path_of(page: Page, field_name: str) -> str:
    """Where the form that holds a field goes."""
    return urlsplit(urljoin(page.url, page.form_with(field_name).action)).path


def filled(page: Page, field_name: str, **values: str) -> dict[str, str]:
    """What the form that holds a field would send, with some values set."""
    return {**dict(page.form_with(field_name).form_values()), **values}


@dataclass(frozen=True, slots=True)
class Attacked:
    """A running identity provider with its parts within reach."""

    idp: Idp
    directory: Slapd
    store: StoreServer
    audit: Path
    browsers: list[Attacker] = field(default_factory=list)

    def browser(self, address: str | None = OFF_CAMPUS, idp: Idp | None = None) -> Attacker:
        """A new browser at an address."""
        self.browsers.append(Attacker((idp or self.idp).origin, address))
        return self.browsers[-1]

    def person(self, *, enrolled: bool = True) -> Person:
        """Somebody new, with a phone unless told otherwise."""
        new = slapd.Person(f"target{next(_NUMBERS)}", "Target 的", ("students",))
        self.directory.add([new])
        phone = self.idp.set_up_phone(new.login) if enrolled else None
        return Person(new.login, f"demo-{new.login}", phone)

    def entry(self, person: Person) -> str:
        """Where somebody stands in the directory."""
        return f"uid={person.login},{slapd.PEOPLE}"

    def at_password(self, address: str | None = OFF_CAMPUS) -> Page:
        """A new browser's password page."""
        page = self.browser(address).ask()
        assert page.mark == "signin.password", page.words
        return page

    def at_code(self, person: Person) -> Page:
        """A new browser's yellow page, off campus, after the right password."""
        page = person.give_password(self.at_password())
        assert page.mark == "signin.challenge", page.words
        return page

    def answer(self, page: Page, decryption: KeyPair | None = None) -> Read:
        """What the page carries to the service, verified as a careful service does."""
        assert carried(page), (page.url, page.status, page.words[:500])
        octets = base64.b64decode(filled(page, "SAMLResponse")["SAMLResponse"])
        for certificate in self.certificates():
            with contextlib.suppress(xmlsec.Error):
                return read_response(octets, certificate, decryption)
        raise AssertionError("signed by no key that our metadata names")

    def certificates(self) -> list[bytes]:
        """What we sign with, as our metadata says."""
        found = etree.fromstring(self.idp.metadata()).iterfind(".//ds:X509Certificate", NAMES)
        return list(dict.fromkeys(base64.b64decode(each.text or "") for each in found))

    def dump(self) -> bytes:
        """Everything that the store holds: names and values."""
        with redis.Redis(unix_socket_path=str(self.store.socket)) as client:
            parts = []
            for key in client.scan_iter():
                match client.type(key):
                    case b"string":
                        value = client.get(key) or b""
                    case b"list":
                        value = b"\n".join(client.lrange(key, 0, -1))
                    case b"hash":
                        value = b"\n".join(b"=".join(pair) for pair in client.hgetall(key).items())
                    case b"zset":
                        value = b"\n".join(client.zrange(key, 0, -1))
                    case kind:
                        raise AssertionError(f"{key!r} is a {kind!r}: say how to read it")
                parts.append(key + b" = " + value)
            return b"\n".join(parts)

    def audited(self) -> str:
        """The record so far."""
        return self.audit.read_text()

    def events(self, person: Person) -> list[str]:
        """What is on record of somebody, in its order."""
        (stable,) = self.directory.get(self.entry(person), "entryUUID")
        records = (json.loads(line) for line in self.audited().splitlines())
        return [each["event"] for each in records if each.get("user") == stable.decode()]

    def credentials(self, person: Person) -> tuple[bytes, ...]:
        """The sealed records in somebody's entry."""
        return self.directory.get(self.entry(person), "mfaCredential")


AS_EVER: Mapping[str, object] = {**WIDE, "password_burst": 10}


@contextlib.contextmanager
def attacked(limits: Mapping[str, object] = AS_EVER) -> Iterator[Attacked]:
    """slapd, Redis, and ``idp-mfa serve`` with two services registered."""
    with (
        slapd.slapd() as directory,
        valkey.running(Kind.REDIS) as store,
        folder("audit") as place,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={
                "audit": {"file": str(place / "audit.jsonl")},
                "factors": ["fido2", "totp", "image_matrix", "recovery_code"],
                "directory": {"ldap": _back_soon(directory)},
                "limits": limits,
                "mail": {"folder": str(place / "outbox")},
            },
        ) as idp,
    ):
        site = Attacked(idp, directory, store, place / "audit.jsonl")
        for service in (PLAIN, STRICT):
            idp.register(service.metadata())
        try:
            yield site
        finally:
            for browser in site.browsers:
                browser.close()


@contextlib.contextmanager
def another_node(site: Attacked) -> Iterator[str]:
    """A second process of the same provider: the same keys, store and directory, its own port."""
    port = free_port()
    settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
    settings["server"]["bind"] = f"127.0.0.1:{port}"
    file = site.idp.folder / "second.yaml"
    file.write_text(yaml.safe_dump(settings))
    with running(
        (*PROGRAM, "--config", str(file), "serve"),
        log=site.idp.folder / "second.out",
        ready=lambda: listening(port),
    ):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def another_setting(site: Attacked, changed: Mapping[str, Any]) -> Iterator[Attacked]:
    """The same provider with other settings, at an address of its own."""
    with folder("setting") as place:
        port = free_port()
        origin = f"http://127.0.0.1:{port}"
        settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
        settings = {
            **settings,
            "base_url": origin,
            "server": {**settings["server"], "bind": f"127.0.0.1:{port}"},
            **changed,
        }
        # Its paths count from where the first one's settings are.
        for name in ("secrets", "registry"):
            (place / name).symlink_to(site.idp.folder / name)
        (place / "idp_mfa.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True))
        with running(
            (*PROGRAM, "--config", str(place / "idp_mfa.yaml"), "serve"),
            log=place / "serve.out",
            ready=lambda: listening(port),
        ) as pid:
            idp = replace(site.idp, origin=origin, port=port, folder=place, pid=pid)
            yield replace(site, idp=idp)


def _back_soon(directory: Slapd) -> dict[str, object]:
    """The directory's settings; a server that was away is asked again a second later."""
    return {
        "uris": [directory.uri],
        "base_dn": directory.base_dn,
        "bind_dn": directory.service_dn,
        "bind_password_file": str(directory.password_file),
        "decoy_dn": slapd.DECOY,
        "canary_dn": slapd.CANARY,
        "retry_after": "1s",
    }


def raw(
    site: Attacked,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    source: str = "127.0.0.1",
) -> tuple[int, dict[str, str], str]:
    """A request as it is written: status, head and body.

    Headers go repeated and in their spelling; repeated ones of the answer stand on lines.
    """
    connection = http.client.HTTPConnection(
        "127.0.0.1", site.idp.port, timeout=30, source_address=(source, 0)
    )
    try:
        connection.putrequest(
            method,
            target,
            skip_host=any(name.lower() == "host" for name, _ in headers),
            skip_accept_encoding=True,
        )
        for name, value in headers:
            connection.putheader(name, value)
        if body or method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        head: dict[str, str] = {}
        for name, value in answer.getheaders():
            several = [head[name.lower()]] if name.lower() in head else []
            head[name.lower()] = "\n".join([*several, value])
        return answer.status, head, text
    finally:
        connection.close()


def stranger() -> tuple[str, str]:
    """The header by which a request comes from an address that nobody came from yet.

    How often one network begins a sign-in has a limit, which is not what these attacks are about.
    """
    number = next(_STRANGERS)
    return "X-Forwarded-For", f"198.18.{number >> 8 & 255}.{number & 255}"


def form(values: Mapping[str, str]) -> bytes:
    """A body as a form sends it."""
    return urlencode(values, quote_via=quote).encode()
