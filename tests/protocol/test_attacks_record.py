"""What is on record of a sign-in, and of what was refused (security.md D10, D11)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.protocol.attacked import OFF_CAMPUS, PLAIN, Attacked, Attacker, carried
from tests.simulators.person import Person
from tests.simulators.service_provider import TestServiceProvider


def stable_id(site: Attacked, person: Person) -> str:
    (value,) = site.directory.get(site.entry(person), "entryUUID")
    return value.decode()


def story_of(site: Attacked, person: Person) -> list[dict[str, Any]]:
    """All records of somebody's last sign-in, as the desk reads them."""
    lines = [json.loads(line) for line in site.audited().splitlines()]
    own = stable_id(site, person)
    reference = next(line["reference"] for line in reversed(lines) if line["user"] == own)
    shown = json.loads(site.idp.must("audit", "show", reference, "--json"))
    assert {one["reference"] for one in shown} == {reference}
    return shown


def test_a_sign_in_is_on_record_with_when_who_where_what_and_why(site: Attacked) -> None:
    person, began = site.person(), datetime.now(UTC).replace(microsecond=0)
    page = site.at_password()
    wrong = page.submit(page.form_with("password"), username=person.login, password="guess-word")
    page = person.give_password(wrong)
    page = page.submit(page.form_with("code"), code="000000")
    assert person.phone is not None
    code = person.phone.code()
    assert carried(page.submit(page.form_with("code"), code=code))
    story = story_of(site, person)
    assert [one["event"] for one in story] == [
        "sign-in.began",
        "password.rejected",
        "password.accepted",
        "factor.rejected",
        "factor.accepted",
        "assertion.issued",
    ]
    for one in story:
        at = datetime.fromisoformat(one["at"])
        assert at.utcoffset() == timedelta(0)
        assert began <= at <= datetime.now(UTC)
        assert one["service"] == PLAIN.entity_id
        assert one["address"] == OFF_CAMPUS
        assert one["walk"], "and how that was found"
    assert [one["user"] for one in story] == [None, *[stable_id(site, person)] * 5]
    _, rejected, _, wrong_code, right_code, issued = story
    assert rejected["why"] == "wrong"
    assert (wrong_code["factor"], wrong_code["why"]) == ("totp", "wrong")
    assert right_code["factor"] == "totp"
    assert issued["rule"] == "Everyone else shows a factor"
    assert issued["zone"] == "outside"
    assert issued["acr"]
    assert sorted(issued["amr"]) == ["mfa", "otp", "pwd"]
    kept = site.audited()
    for secret in (person.password, "guess-word", code, person.phone.key, person.login):
        assert secret not in kept


def test_what_is_refused_is_on_record(site: Attacked) -> None:
    def events_of(act: Any) -> list[str]:
        before = len(site.audited().splitlines())
        act()
        return [json.loads(line)["event"] for line in site.audited().splitlines()[before:]]

    def unknown_service(agent: Attacker) -> None:
        stranger = TestServiceProvider(entity_id="https://stranger.example/sp")
        assert agent.ask(stranger).status == 400

    assert events_of(lambda: unknown_service(site.browser())) == ["request.refused"]
    assert events_of(
        lambda: site.browser().open(f"{site.idp.origin}/saml/sso?SAMLRequest=rubbish")
    ) == ["request.refused"]

    person = site.person()

    def too_often() -> None:
        for _ in range(11):
            page = site.at_password()
            page.submit(page.form_with("password"), username=person.login, password="guess")

    refused = [name for name in events_of(too_often) if name != "sign-in.began"]
    assert refused == ["password.rejected"] * 10 + ["limit.reached"]
    nobody = site.person(enrolled=False)

    def not_enrolled() -> None:
        assert nobody.give_password(site.at_password()).status == 403

    assert events_of(not_enrolled)[-1] == "sign-in.refused"
