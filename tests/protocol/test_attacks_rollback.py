"""Who can write to the directory puts back what was revoked: it does not come back to life."""

from __future__ import annotations

import time

from tests.protocol.attacked import CAMPUS, Attacked, carried


def test_a_revoked_key_that_is_put_back_opens_nothing_and_is_on_record(site: Attacked) -> None:
    person = site.person()
    entry = site.entry(person)
    page = person.give_code(person.give_password(site.at_password()))
    assert carried(page)
    manifest = site.directory.get(entry, "mfaManifest")
    stolen = site.credentials(person)
    site.idp.must("user", "reset", person.login, "--everything", "--reason", "stolen phone")
    site.directory.put(entry, "mfaCredential", *stolen)
    site.directory.put(entry, "mfaManifest", *manifest)
    # A worker that has just read the entry believes it for so long.
    time.sleep(1)

    after = person.give_password(site.at_password())
    assert after.mark == "signin.refused", (after.mark, after.words)
    assert not carried(after)
    assert "credential.unreadable" in site.events(person)
    assert '"why":"rolled-back"' in site.audited().replace(" ", "")
    shown = site.idp.must("user", "show", person.login)
    assert "unreadable" in shown


def test_a_factor_that_was_taken_away_behind_us_is_no_free_set_up(site: Attacked) -> None:
    person = site.person()
    entry = site.entry(person)
    assert carried(person.give_code(person.give_password(site.at_password())))
    site.directory.put(entry, "mfaCredential")
    site.directory.put(entry, "mfaManifest")
    page = person.give_password(site.browser(CAMPUS).ask_mfa())
    assert page.mark == "signin.refused", (page.mark, page.words)
    portal = person.give_password(site.browser(CAMPUS).open(f"{site.idp.origin}/portal/totp"))
    assert "data-totp-key" not in portal.text
