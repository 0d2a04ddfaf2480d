"""What people are told of their factors: by mail to every address, and on their own page."""

from __future__ import annotations

import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from tests.protocol.attacked import Attacked, carried
from tests.protocol.test_written_codes import at_code, made, opened, passcode, used
from tests.simulators.person import Person

PATIENCE_SECONDS = 20.0


def mails(site: Attacked, address: str) -> list[EmailMessage]:
    """What came to an address so far."""
    read = (file.read_bytes() for file in (site.audit.parent / "outbox").glob("*.eml"))
    all_of_them = (message_from_bytes(one, policy=default) for one in read)
    return [one for one in all_of_them if one["To"] == address]


def told(site: Attacked, address: str, subject: str, count: int = 1) -> list[EmailMessage]:
    """The mails of that subject, once there are so many."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = [one for one in mails(site, address) if one["Subject"].endswith(subject)]
        if len(found) >= count:
            return found
        came = [one["Subject"] for one in mails(site, address)]
        assert time.monotonic() < until, (subject, came)
        time.sleep(0.05)


def words(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def staff_address(person: Person) -> str:
    return f"{person.login}@example.ac.jp"


def happened(site: Attacked, person: Person) -> list[str]:
    """What the page of one's own sign-ins lists."""
    page = opened(site, person, "/portal/activity")
    assert page.mark == "portal.activity", page.words[:300]
    return [str(one) for one in page.tree.xpath("//li/@data-event")]


@pytest.fixture
def owner(site: Attacked) -> Person:
    """Somebody with a phone, and an address of their own besides the staff's."""
    person = site.person(enrolled=False)
    person.phone = site.idp.set_up_phone(person.login, f"{person.login}@home.example")
    return person


def test_what_the_desk_removed_is_told_to_the_address_that_goes_with_it_too(
    site: Attacked, owner: Person
) -> None:
    site.idp.must("user", "reset", owner.login, "--everything", "--reason", "asked in person")
    for address in (staff_address(owner), f"{owner.login}@home.example"):
        (mail,) = told(site, address, "認証方法が削除されました")
        assert "asked in person" not in words(mail), "what the desk writes is the desk's"
        assert owner.login in words(mail)


def test_a_reset_of_nothing_tells_nobody(site: Attacked) -> None:
    nobody = site.person(enrolled=False)
    site.idp.must("user", "reset", nobody.login, "--everything", "--reason", "to be sure")
    passcode(site, nobody, "enrol")
    told(site, staff_address(nobody), "窓口でパスコードが発行されました")
    assert len(mails(site, staff_address(nobody))) == 1


def test_a_passcode_is_told_by_mail_and_on_the_owners_page(site: Attacked, owner: Person) -> None:
    code = passcode(site, owner, "sign-in")
    for address in (staff_address(owner), f"{owner.login}@home.example"):
        (mail,) = told(site, address, "窓口でパスコードが発行されました")
        assert code not in words(mail)
    assert "passcode.issued" in happened(site, owner)


def test_each_recovery_code_that_is_used_is_told(site: Attacked, owner: Person) -> None:
    codes = made(site, owner)
    subject = "リカバリーコードが使われました"
    assert not carried(used(at_code(site, owner), "recovery_code", "2" * 15))
    for count, code in enumerate(codes[:2], 1):
        assert carried(used(at_code(site, owner), "recovery_code", code))
        for address in (staff_address(owner), f"{owner.login}@home.example"):
            told(site, address, subject, count)
    assert not carried(used(at_code(site, owner), "recovery_code", codes[0]))
    newest = told(site, staff_address(owner), subject, 2)
    assert len(newest) == 2, "what was refused is no news"
    assert all("203.0.113.10" in words(mail) for mail in newest)
    assert not [code for code in codes if any(code in words(mail) for mail in newest)]
