"""The help desk in Chromium: each act from the caller's first word to the mail, ja and en."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page

from idp_mfa.factor import HashAlgorithm, SharedKey
from tests.browser.conftest import Campus, Walks
from tests.browser.walk import Walk
from tests.servers import slapd
from tests.servers.chromium import DESKTOP, PHONE, Visitor
from tests.simulators.hardware_token import oathtool
from tests.simulators.person import Person

LANGUAGE = pytest.mark.parametrize("language", ["ja", "en"])
CAMPUS = "192.0.2.10"
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Desk:
    """One of the staff at their desk, and the address of the university."""

    walk: Walk
    origin: str

    def look_up(self, person: Person) -> None:
        """By the field for names."""
        page = self.walk.page
        page.goto(f"{self.origin}/admin")
        page.fill("input[name=q]", person.login)
        page.press("input[name=q]", "Enter")
        page.wait_for_selector("[data-found]")
        page.locator("[data-found] a").click()
        self.walk.expect("desk.person")

    def vouch(self) -> None:
        """Put on record that the card was seen."""
        page = self.walk.page
        page.locator("details:has(select[name=how]) summary").click()
        page.select_option("select[name=how]", "card")
        page.fill("input[name=note]", "card 12")
        page.press("input[name=note]", "Enter")
        page.wait_for_selector("details[data-act=passcode]")
        page.wait_for_selector("input[name=number]", state="detached")

    def act(self, name: str, **more: str) -> None:
        """Open it, fill it in, press its button."""
        page = self.walk.page
        form = page.locator(f"details[data-act={name}]")
        form.locator("summary").click()
        for field, value in more.items():
            form.locator(f"[name={field}]").fill(value)
        form.locator("input[name=reason]").fill("lost phone")
        form.locator("button.main").click()

    def done(self) -> str:
        """The passcode of the page that says so, if there is one; then back to the person."""
        self.walk.expect("desk.done")
        page = self.walk.page
        code = page.locator("[data-passcode]")
        shown = code.inner_text().strip() if code.count() else ""
        page.locator(".ways a").first.click()
        self.walk.expect("desk.person")
        return shown


def newcomer(campus: Campus, *groups: str, affiliation: str = "student") -> Person:
    """Somebody new, who has not set up anything."""
    new = slapd.Person(f"desk{next(_NUMBERS)}", "Desk 机", groups, affiliation)
    campus.directory.add([new])
    return Person(new.login, f"demo-{new.login}")


def somebody(campus: Campus, *groups: str, affiliation: str = "student") -> Person:
    """Somebody new, whose phone is set up."""
    person = newcomer(campus, *groups, affiliation=affiliation)
    person.phone = campus.idp.set_up_phone(person.login)
    return person


def staff(campus: Campus, walks: Walks, language: str, group: str = "help-desk") -> Desk:
    """One of the help desk, signed in with two kinds of factor on campus."""
    person = somebody(campus, group)
    walk = walks(Visitor(language, DESKTOP, address=CAMPUS))
    walk.page.goto(f"{campus.idp.origin}/admin")
    walk.give_password(person)
    walk.give_code(person)
    walk.expect("desk.home")
    return Desk(walk, campus.idp.origin)


@pytest.fixture(scope="module")
def stocked(campus: Campus, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, SharedKey]:
    """The tokens of a vendor's file, which lie in the stock."""
    campus.directory.add([slapd.Person("token-stock", "Token stock", (), "affiliate")])
    keys = {
        serial: SharedKey(
            hashlib.sha256(serial.encode()).digest(), HashAlgorithm.SHA256, 8, 60, serial
        )
        for serial in ("T-ja", "T-en")
    }
    rows = [f"{one.serial},{one.key.hex()},SHA256,8,60" for one in keys.values()]
    file = tmp_path_factory.mktemp("vendor") / "tokens.csv"
    file.write_text("\n".join(["serial,hex,algorithm,digits,period", *rows]))
    how = ("--format", "csv", "--stock", "--apply", "--reason", "delivery")
    campus.idp.must("user", "import", str(file), *how)
    return keys


def states(desk: Desk) -> list[str | None]:
    rows = desk.walk.page.locator("[data-factors] li")
    return [rows.nth(each).get_attribute("data-state") for each in range(rows.count())]


@LANGUAGE
def test_each_act_and_the_mail_about_it(campus: Campus, walks: Walks, language: str) -> None:
    caller, desk = somebody(campus, "students"), staff(campus, walks, language)
    desk.look_up(caller)
    assert states(desk) == ["active"]
    desk.act("unlock")
    assert desk.done() == ""
    desk.act("end-sessions")
    assert desk.done() == ""
    desk.act("disable")
    assert desk.done() == ""
    assert states(desk) == ["disabled"]
    desk.act("enable")
    desk.walk.expect("desk.person")
    assert states(desk) == ["disabled"], "nobody knows yet who calls"
    desk.vouch()
    desk.act("enable")
    assert desk.done() == ""
    assert states(desk) == ["active"]
    desk.act("passcode")
    assert len(desk.done()) == 17
    desk.act("enrol")
    assert len(desk.done()) == 17
    desk.act("reset")
    assert len(desk.done()) == 17
    assert "suspended" in states(desk)
    desk.act("undo-reset")
    assert desk.done() == ""
    assert "suspended" not in states(desk)
    mails = campus.post.to(f"{caller.login}@example.ac.jp", 8)
    assert len({mail["Subject"] for mail in mails}) == 7, "the two passcodes read the same"


@LANGUAGE
def test_a_hardware_token_is_handed_out_and_its_clock_set_right(
    campus: Campus, walks: Walks, language: str, stocked: Mapping[str, SharedKey]
) -> None:
    new = slapd.Person(f"desk{next(_NUMBERS)}", "Desk 机", ("students",))
    campus.directory.add([new])
    caller, serial = Person(new.login, f"demo-{new.login}"), f"T-{language}"
    desk = staff(campus, walks, language)
    desk.look_up(caller)
    assert states(desk) == []
    assert desk.walk.page.locator("details[data-act=resynchronise]").count() == 0
    desk.vouch()
    desk.act("assign", serial="T-nowhere")
    desk.walk.page.wait_for_selector(".notice.refused")
    form = desk.walk.page.locator("details[data-act=assign]")
    assert form.locator("[name=reason]").input_value() == "lost phone"
    assert form.locator("[name=serial]").input_value() == "T-nowhere"
    form.locator("[name=serial]").fill(serial)
    form.locator("button.main").click()
    assert desk.done() == ""
    assert states(desk) == ["active"]
    # An hour and a half off, as the cheap ones are after some years.
    off, key = timedelta(hours=1, minutes=30), stocked[serial]
    clock = datetime.now(UTC) + off
    codes = {"first": oathtool(key, clock), "second": oathtool(key, clock + timedelta(minutes=1))}
    there = walks(Visitor(language, PHONE, address="203.0.113.10"))
    there.page.goto(f"{campus.idp.origin}/portal/activity")
    there.give_password(caller)
    there.expect("signin.challenge")
    there.page.fill("input[name=code]", codes["first"])
    there.page.press("input[name=code]", "Enter")
    there.page.wait_for_selector("[aria-invalid=true]")
    desk.act("resynchronise", **codes)
    assert desk.done() == ""
    there.page.fill("input[name=code]", oathtool(key, clock + timedelta(minutes=2)))
    there.page.press("input[name=code]", "Enter")
    there.expect("portal.activity")
    mails = campus.post.to(f"{caller.login}@example.ac.jp", 2)
    parts = [mail.get_body(("plain",)) for mail in mails]
    assert all(part is not None and serial in part.get_content() for part in parts)


@LANGUAGE
def test_a_lost_phone_is_replaced_over_the_telephone(
    campus: Campus, walks: Walks, language: str
) -> None:
    caller, desk = somebody(campus, "students"), staff(campus, walks, language)
    there = walks(Visitor(language, PHONE, address="203.0.113.10"))
    there.page.goto(f"{campus.idp.origin}/portal/caller")
    there.give_password(caller)
    there.give_code(caller)
    there.expect("portal.caller")
    assert there.page.locator("[data-number]").count() == 0
    there.page.locator("form.question button.main").click()
    number = there.page.locator("[data-number]").inner_text()
    desk.look_up(caller)
    page = desk.walk.page
    page.fill("input[name=number]", "000000" if number != "000 000" else "111111")
    page.press("input[name=number]", "Enter")
    page.wait_for_selector(".notice.refused")
    page.fill("input[name=number]", number)
    page.press("input[name=number]", "Enter")
    page.wait_for_selector("input[name=number]", state="detached")
    desk.act("reset")
    code = desk.done()
    there.page.goto(f"{campus.idp.origin}/portal/totp")
    there.expect("signin.challenge")
    there.page.fill("input[name=code]", code)
    there.page.press("input[name=code]", "Enter")
    there.page.wait_for_selector("body[data-page^='portal.']")
    assert there.page.url.endswith("/portal/totp")
    page.reload()
    assert code not in page.content()


@LANGUAGE
def test_a_story_says_what_to_do_and_what_to_read_out(
    campus: Campus, walks: Walks, language: str
) -> None:
    caller, desk = somebody(campus, "students"), staff(campus, walks, language)
    there = walks(Visitor(language, PHONE, address="203.0.113.10"))
    there.page.goto(f"{campus.idp.origin}/portal/activity")
    there.give_password(caller)
    there.expect("signin.challenge")
    there.page.fill("input[name=code]", "1234")
    there.page.press("input[name=code]", "Enter")
    there.page.wait_for_selector("[aria-invalid]")
    code = there.page.locator("[data-reference]").inner_text()
    page = desk.walk.page
    page.goto(f"{campus.idp.origin}/admin")
    page.fill("input[name=reference]", code.lower())
    page.press("input[name=reference]", "Enter")
    desk.walk.expect("desk.story")
    assert page.locator("[data-advice]").get_attribute("data-advice") == "wrong-code"
    assert page.locator("li[data-event='factor.rejected']").count() == 1
    assert "203.0.113.10" in page.locator("main").inner_text()
    assert "1234" not in page.locator("main").inner_text().replace(code, "")
    page.get_by_role("link", name="Desk 机").click()
    desk.walk.expect("desk.person")


@LANGUAGE
def test_an_address_is_corrected_by_two(campus: Campus, walks: Walks, language: str) -> None:
    new = slapd.Person(f"desk{next(_NUMBERS)}", "Desk 机", ("students",))
    campus.directory.add([new])
    campus.idp.set_up_phone(new.login, f"{new.login}@old.example")
    caller = Person(new.login, f"demo-{new.login}")
    first, second = (staff(campus, walks, language) for _ in range(2))
    first.look_up(caller)
    first.vouch()
    first.act("address", address=f"{new.login}@new.example")
    first.walk.expect("desk.home")
    mine = first.walk.page.locator(f"[data-waiting] li:has-text('{new.login}')")
    assert mine.locator("form[action$='/approve']").count() == 0
    second.walk.page.reload()
    theirs = second.walk.page.locator(f"[data-waiting] li:has-text('{new.login}')")
    theirs.locator("form[action$='/approve'] button").click()
    second.walk.expect("desk.home")
    first.walk.page.reload()
    mine.locator("form[action$='/carry-out'] button").click()
    first.walk.expect("desk.done")
    for to in (f"{new.login}@old.example", f"{new.login}@new.example"):
        assert campus.post.to(to)


def listed(page: Page) -> list[str]:
    """The logins of a list."""
    rows = page.locator("ul.rows li")
    return [row.locator(".hint").first.inner_text().split(" ")[0] for row in rows.all()]


@LANGUAGE
def test_a_list_leads_to_a_person_and_names_nobody_out_of_reach(
    campus: Campus, walks: Walks, language: str
) -> None:
    seminar = f"seminar{next(_NUMBERS)}"
    pupil, other = somebody(campus, seminar), somebody(campus, "students")
    teacher = somebody(campus, seminar, affiliation="staff")
    new = newcomer(campus, seminar)
    desk = staff(campus, walks, language, "student-desk")
    page = desk.walk.page
    page.click("main a[href$='/admin/lists']")
    desk.walk.expect("desk.lists")
    page.select_option("select[name=list]", "one-device")
    page.fill("input[name=group]", seminar)
    page.press("input[name=group]", "Enter")
    page.wait_for_selector("[data-people='1']")
    assert listed(page) == [pupil.login]
    words = page.locator("ul.rows").inner_text()
    assert FACTOR_IN_USE[language] in words
    assert "totp" not in words
    with page.expect_download() as came:
        page.click("a[href*='/admin/lists/csv']")
    file = came.value.path().read_text("utf-8")
    assert came.value.suggested_filename == "one-device.csv"
    assert f'"{pupil.login}"' in file
    assert '"totp (active)"' in file
    for absent in (teacher, other, new):
        assert absent.login not in file + page.content()
    page.select_option("select[name=list]", "without-factor")
    page.press("input[name=group]", "Enter")
    page.wait_for_selector("option[value=without-factor][selected]", state="attached")
    assert listed(page) == [new.login]
    page.locator("ul.rows a").click()
    desk.walk.expect("desk.person")
    assert new.login in page.locator("dl.facts").inner_text()


FACTOR_IN_USE = {
    "ja": "ワンタイムパスワード（6桁の数字）: 使用中",
    "en": "One-time password (6 digits): in use",
}
USED_BEFORE = {"ja": "使用済みのコードでした。", "en": "That code had been used before."}


@LANGUAGE
def test_a_wrong_code_of_just_now_is_counted_and_nobody_is_named(
    campus: Campus, walks: Walks, language: str
) -> None:
    caller, desk = somebody(campus, "students"), staff(campus, walks, language)
    page = desk.walk.page
    page.click("main a[href$='/admin/now']")
    desk.walk.expect("desk.now")
    # Of a kind that no other test makes, so that none of it becomes too old in between.
    row = page.locator("[data-counts=wrong-codes] li", has_text=USED_BEFORE[language])
    before = int(row.locator("strong").inner_text()) if row.count() else 0
    assert caller.phone is not None
    code = caller.phone.code()
    for is_again in (False, True):
        there = walks(Visitor(language, PHONE, address="203.0.113.77"))
        there.page.goto(f"{campus.idp.origin}/portal/activity")
        there.give_password(caller)
        there.expect("signin.challenge")
        there.page.fill("input[name=code]", code)
        there.page.press("input[name=code]", "Enter")
        there.page.wait_for_selector("[aria-invalid]" if is_again else "[data-sessions]")
    with page.expect_navigation():
        page.click("main a[href$='/admin/now']")
    assert int(row.locator("strong").inner_text()) == before + 1
    asked = page.locator("[data-counts=asked]").inner_text()
    assert {"ja": "学外ネットワーク", "en": "Outside the campus network"}[language] in asked
    for told in ("203.0.113", caller.login, f"{caller.login}@"):
        assert told not in page.content()
