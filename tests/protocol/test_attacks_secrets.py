"""Whoever reads the store, the record or the log finds nothing that opens anything.

Advisories 32 and 51; what cookies look like, and keys that were rotated.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
import xmlsec

from tests.protocol.attacked import (
    CAMPUS,
    PLAIN,
    Attacked,
    carried,
    filled,
    form,
    new_id,
    raw,
)
from tests.servers.foreground import free_port
from tests.servers.idp import Idp, identity_provider
from tests.simulators.person import Person
from tests.simulators.phone import Phone
from tests.simulators.service_provider import read_response
from tests.simulators.user_agent import Page


def forms_of(secret: str) -> set[bytes]:
    """The spellings in which a secret could lie around."""
    octets = secret.encode()
    found = {octets, base64.b64encode(octets).rstrip(b"="), octets.hex().encode()}
    return {form for form in found if len(form) > 5}


def command_lines() -> Iterator[bytes]:
    """Of every process; one may end while it is read."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_bytes()


@pytest.fixture
def secrets(site: Attacked) -> Iterator[set[str]]:
    """Filled in by a test; at its end none may be in any place that others read."""
    told: set[str] = set()
    yield told
    assert told
    place = site.idp.folder
    places = {
        "the store": site.dump(),
        "the record": site.audited().encode(),
        "the log": (place / "serve.out").read_bytes(),
        "the directory's log": site.directory.log.read_bytes(),
        "the process list": b"\n".join(command_lines()),
    }
    for secret in told:
        for spelling in forms_of(secret):
            for name, octets in places.items():
                assert spelling not in octets, (name, spelling[:4])


def cookie_values(page: Page) -> set[str]:
    """All cookie values that the browser has, and their halves."""
    values = {each.value or "" for each in page.agent.session.cookies}
    return values | {value.partition(".")[2] for value in values if "." in value}


def test_nothing_of_a_sign_in_is_left_lying_around(site: Attacked, secrets: set[str]) -> None:
    person = site.person()
    page = site.at_password()
    secrets |= cookie_values(page) | {filled(page, "csrf")["csrf"]}
    page = person.give_password(page)
    secrets |= cookie_values(page) | {filled(page, "csrf")["csrf"], person.password}
    wrong = page.submit(page.form_with("code"), code="987-123")
    assert person.phone is not None
    code = person.phone.code()
    done = wrong.submit(wrong.form_with("code"), code=code)
    secrets |= cookie_values(done) | {
        person.phone.key,
        filled(done, "SAMLResponse")["SAMLResponse"],
    }
    stored = site.dump()
    assert b"987123" not in stored
    assert b"987-123" not in stored
    assert json.dumps(code).encode() not in stored


def test_nothing_of_a_set_up_is_left_lying_around(site: Attacked, secrets: set[str]) -> None:
    person = site.person(enrolled=False)
    agent = site.browser(CAMPUS)
    begin = person.give_password(agent.open(f"{site.idp.origin}/portal/totp"))
    sent = filled(begin, "csrf")
    shown = agent.send("POST", f"{site.idp.origin}/portal/totp/begin", sent)
    key = str(shown.tree.xpath("string(//*[@data-totp-key])"))
    assert re.fullmatch("[A-Z2-7]{32}", key), shown.words
    secrets |= cookie_values(shown) | {person.password, key, sent["csrf"]}
    assert shown.headers["Cache-Control"] == "no-store"
    for octets in (
        *site.credentials(person),
        *site.directory.get(site.entry(person), "mfaManifest"),
    ):
        assert key.encode() not in octets
    phone = Phone(key)
    done = shown.submit(shown.form_with("code"), code=phone.code())
    assert done.mark == "portal.totp.done", done.words
    secrets |= cookie_values(done)
    assert key not in done.text
    assert key not in agent.open(f"{site.idp.origin}/").text
    assert "data-totp-key" not in agent.open(f"{site.idp.origin}/portal/totp").text


def test_a_wrong_password_is_left_nowhere(site: Attacked, secrets: set[str]) -> None:
    person = site.person()
    page = site.at_password()
    for typed in ("correct-horse-battery", "pässwörd-of-another-site"):
        refused = page.submit(page.form_with("password"), username=person.login, password=typed)
        assert typed not in refused.text
        secrets.add(typed)


def test_a_password_in_the_wrong_field_is_a_password_too(site: Attacked) -> None:
    typed = "tr0ub4dor-typed-as-a-name"
    page = site.at_password()
    assert page.submit(page.form_with("password"), username=typed, password="x").status == 422
    assert typed.encode() not in site.dump()
    assert typed not in site.audited()
    assert typed not in site.idp.log()


def test_what_is_read_in_the_store_opens_nothing(site: Attacked) -> None:
    person = site.person()
    agent = site.browser(CAMPUS)
    person.give_password(agent.ask())
    waiting = site.at_code(person)
    dump = site.dump().decode("utf-8", "replace")
    stored = [json.loads(line) for line in re.findall(r"\{.*\}", dump) if '"v": ' in line]
    sessions = [each for each in stored if "secret_hash" in each]
    transactions = [each for each in stored if "browser" in each]
    assert sessions
    assert transactions
    thief = site.browser(CAMPUS)
    for each in sessions:
        for half in (each["secret_hash"], "", each["handle"]):
            thief.plant("idp", f"{each['handle']}.{half}")
            assert person.login not in thief.open(f"{site.idp.origin}/").text
    for each in transactions[-20:]:
        thief = site.browser()
        thief.plant(f"idp-tx-{each['id']}", each["browser"])
        seen = thief.open(f"{site.idp.origin}/signin/{each['id']}")
        assert (seen.mark, seen.status) == ("signin.moved", 409)
    assert waiting.agent.open(waiting.url).mark == "signin.challenge"


def test_every_key_of_the_store_has_an_end(site: Attacked, somebody: Person) -> None:
    somebody.give_password(site.at_password())
    with redis.Redis(unix_socket_path=str(site.store.socket)) as client:
        lasting = [key for key in client.scan_iter() if client.ttl(key) == -1]
    kept = (b"idp_mfa:registry:", b"idp_mfa:epoch")
    assert [key for key in lasting if not key.startswith(kept)] == []


# -- cookies ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def behind_tls(site: Attacked) -> Iterator[Idp]:
    """The same house as browsers see it at a real site: by https, behind a proxy."""
    with identity_provider(
        free_port(),
        directory=site.directory,
        store=site.store,
        origin="https://idp.example.ac.jp",
        more={
            "store": {"url": site.store.url, "prefix": "tls:"},
            "proxies": {"networks": ["127.0.0.1/32"], "header": "X-Forwarded-For"},
        },
    ) as idp:
        idp.register(PLAIN.metadata())
        yield idp


def walk(site: Attacked, idp: Idp, person: Person) -> list[tuple[str, int, dict[str, str]]]:
    """A whole sign-in on campus and a log-out, each answer's address, status and head."""
    there = Attacked(idp, site.directory, site.store, site.audit)
    jar: dict[str, str] = {}
    answers: list[tuple[str, int, dict[str, str]]] = []

    def request(method: str, target: str, values: dict[str, str] | None = None) -> str:
        headers = [("X-Forwarded-For", CAMPUS), ("Content-Type", FORM_TYPE)]
        headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in jar.items())))
        body = form(values) if values else b""
        status, head, text = raw(there, method, target, headers, body)
        answers.append((f"{method} {target.partition('?')[0]}", status, head))
        for line in head.get("set-cookie", "").split("\n"):
            name, _, rest = line.partition("=")
            jar[name] = rest.partition(";")[0]
        return head.get("location") or text

    xml = PLAIN.authn_request(datetime.now(UTC), id=new_id(), destination=f"{idp.origin}/saml/sso")
    at = request("GET", f"/saml/sso?{PLAIN.query(xml).decode()}")
    text = request("GET", at)
    values = {"username": person.login, "password": person.password, **hidden(text)}
    text = request("POST", f"{at}/identity", values)
    while text.startswith("/"):
        text = request("GET", text)
    assert "SAMLResponse" in text, answers
    text = request("GET", "/sign-out")
    request("POST", "/sign-out", hidden(text))
    request("GET", "/nowhere")
    return answers


FORM_TYPE = "application/x-www-form-urlencoded"


def hidden(text: str) -> dict[str, str]:
    """A page's token and version."""
    return dict(re.findall(r'name="(csrf|version)" value="([^"]*)"', text))


def test_cookies_belong_to_this_host_over_https_alone(
    site: Attacked, behind_tls: Idp, somebody: Person
) -> None:
    answers = walk(site, behind_tls, somebody)
    lines = [
        line for *_, head in answers for line in head.get("set-cookie", "").split("\n") if line
    ]
    names = {re.sub("-tx-.*", "-tx", line.partition("=")[0]) for line in lines}
    assert names == {"__Host-idp", "__Host-idp-tx"}
    for line in lines:
        attributes = {each.strip().lower() for each in line.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes, line
        assert not any(each.startswith("domain") for each in attributes)
        assert len(line) < 4096
    opened = [line for line in lines if re.match("__Host-idp[^;]*=[^;]{20}", line)]
    assert opened
    for line in opened:
        assert "max-age" not in line.lower(), "it ends with the browser"
        assert "expires" not in line.lower()


def test_every_answer_keeps_to_https(site: Attacked, behind_tls: Idp, somebody: Person) -> None:
    for address, status, head in walk(site, behind_tls, somebody):
        seconds = re.match(r"max-age=(\d+); includeSubDomains", head["strict-transport-security"])
        assert seconds, (address, status)
        assert int(seconds[1]) >= 31_536_000


def test_a_cookie_has_room_for_chance(site: Attacked) -> None:
    values = set()
    for _ in range(20):
        page = site.at_password()
        values |= {each.value for each in page.agent.session.cookies}
        values.add(page.url.rpartition("/")[2])
    assert len(values) == 40
    for value in values:
        assert len(base64.urlsafe_b64decode(value + "==")) >= 16


# -- keys that were rotated ------------------------------------------------------------------


def signed_by(page: Page, certificates: list[bytes]) -> list[bytes]:
    """Which of the certificates' keys signed what the page carries."""
    octets = base64.b64decode(filled(page, "SAMLResponse")["SAMLResponse"])
    signers = []
    for each in certificates:
        try:
            read_response(octets, each)
        except xmlsec.Error:
            continue
        signers.append(each)
    return signers


def test_a_rotated_key_signs_no_more(site: Attacked, somebody: Person) -> None:
    agent = site.browser(CAMPUS)
    page = somebody.give_password(agent.ask())
    (old,) = site.certificates()
    assert signed_by(page, [old]) == [old]
    site.idp.must("key", "rotate", "--type", "rsa-2048")
    both = site.certificates()
    assert len(both) == 2
    assert signed_by(agent.ask(), both) == [old], "published first, used later"
    site.idp.must("key", "rotate", "--now")
    (new,) = [each for each in both if each != old]
    for _ in range(6):
        agent.close()
        page = agent.ask()
        assert carried(page), "the session outlives the rotation"
        assert signed_by(page, both) == [new]
    listed = json.loads(site.idp.must("key", "list", "--json"))
    (previous,) = [row["id"] for row in listed if row["state"] == "previous"]
    site.idp.must("key", "retire", "signing", previous)
    assert site.certificates() == [new]
