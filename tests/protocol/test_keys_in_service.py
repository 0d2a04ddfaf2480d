"""Keys of a running server: one signing key follows another, and no secret is ever shown."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.processes import children
from tests.protocol.attacked import PLAIN, Attacked, Attacker, attacked, carried, filled
from tests.simulators.service_provider import read_response


@pytest.fixture(scope="module")
def own() -> Iterator[Attacked]:
    """A provider of this module's own: its keys change."""
    with attacked() as site:
        yield site


def test_each_answer_verifies_by_what_the_service_had_read_before(own: Attacked) -> None:
    known = own.certificates()
    assert len(known) == 1
    signed_by = []

    def signs_in() -> None:
        person = own.person()
        page = person.give_code(person.give_password(own.at_password()))
        assert carried(page), page.words
        octets = base64.b64decode(filled(page, "SAMLResponse")["SAMLResponse"])
        for certificate in known:
            with contextlib.suppress(Exception):
                read_response(octets, certificate)
                signed_by.append(certificate)
                return
        raise AssertionError(f"none of {len(known)} known keys verifies")

    signs_in()
    own.idp.must("key", "rotate", "--type", "p-256")
    time.sleep(1)
    signs_in()
    known[:] = own.certificates()
    assert len(known) == 2
    assert own.idp.command("key", "rotate").returncode == 1, "services may not know it yet"
    own.idp.must("key", "rotate", "--now")
    time.sleep(1)
    signs_in()
    known[:] = own.certificates()
    assert len(known) == 2, "what was signed before the change can still be verified"
    rows = json.loads(own.idp.must("key", "list", "--json"))
    (previous,) = (row["id"] for row in rows if row["state"] == "previous")
    own.idp.must("key", "retire", "signing", previous)
    time.sleep(1)
    signs_in()
    assert len(own.certificates()) == 1
    assert len(set(signed_by)) == 2
    assert signed_by[0] == signed_by[1] != signed_by[2] == signed_by[3]


def secrets_of(site: Attacked) -> dict[str, bytes]:
    """Every secret in a file of this provider, as it would be written down."""
    folder = site.idp.folder / "secrets"
    found = {
        "the LDAP password": site.directory.password_file.read_bytes().strip(),
        "the LDAP administrator's": site.directory.admin_password.encode(),
    }
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        octets = file.read_bytes()
        match file.suffix:
            case ".json":
                continue
            case ".pem":
                found[file.name] = octets.splitlines()[2]
            case ".key":
                found[file.name] = octets.strip()
            case _:
                found[file.name] = octets
                found[f"{file.name} in hexadecimal"] = octets.hex().encode()
                found[f"{file.name} in base64"] = base64.b64encode(octets).rstrip(b"=")
    return found


def test_no_secret_is_in_a_process_list_an_environment_a_log_or_the_record(own: Attacked) -> None:
    person = own.person()
    assert person.phone is not None
    page = own.at_code(person)
    wrong = page.submit(page.form_with("code"), code="000000")
    code = person.phone.code()
    done = wrong.submit(wrong.form_with("code"), code=code)
    assert carried(done)
    cookies = [each.value for agent in own.browsers for each in agent.session.cookies]
    secrets = {
        **secrets_of(own),
        "a person's password": person.password.encode(),
        "a TOTP key": person.phone.key.encode(),
        "a code": f'"{code}"'.encode(),
        **{f"cookie {n}": (each or "").encode() for n, each in enumerate(cookies)},
    }
    assert len(secrets) > 10
    places: dict[str, bytes] = {}
    for pid in (own.idp.pid, *children(own.idp.pid)):
        for name in ("environ", "cmdline"):
            place = Path(f"/proc/{pid}/{name}")
            places[str(place)] = place.read_bytes()
    assert len(places) >= 6
    for log in (own.idp.folder / "serve.out", own.audit, own.directory.log, *_logs(own)):
        places[str(log)] = log.read_bytes()
    shown = [
        (name, place)
        for name, secret in secrets.items()
        for place, text in places.items()
        if len(secret) >= 8 and secret in text
    ]
    assert not shown


def _logs(site: Attacked) -> list[Path]:
    return sorted(site.store.folder.glob("*.log"))


def test_a_failing_command_does_not_repeat_a_secret(own: Attacked) -> None:
    secrets = secrets_of(own)
    key = next((own.idp.folder / "secrets" / "sealing").glob("*.key"))
    good = key.read_bytes()
    broken = good.strip()[:-3]
    key.chmod(0o600)
    try:
        key.write_bytes(broken)
        told = own.idp.command("check")
        assert told.returncode == 1
        written = (told.stdout + told.stderr).encode()
    finally:
        key.write_bytes(good)
        key.chmod(0o400)
    assert b"is not 32 bytes" in written
    assert broken not in written
    assert not [name for name, secret in secrets.items() if secret in written]


def test_services_that_are_asked_again_see_no_key_of_ours(own: Attacked) -> None:
    agent = Attacker(own.idp.origin, None)
    public = "".join(
        agent.once("GET", f"{own.idp.origin}{path}", None).text
        for path in ("/saml/metadata", "/readyz", "/healthz", "/", f"/saml/sso?{PLAIN.entity_id}")
    ).encode()
    agent.close()
    assert not [name for name, secret in secrets_of(own).items() if secret in public]
