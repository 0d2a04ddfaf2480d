"""An identity provider that mails through a real SMTP server, and how people walk its portal."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from email.message import EmailMessage

from tests.protocol.attacked import PLAIN, Attacked
from tests.servers import slapd, valkey
from tests.servers.foreground import folder, free_port
from tests.servers.idp import WIDE, identity_provider
from tests.servers.smtp import Post
from tests.servers.valkey import Kind
from tests.simulators.person import Person
from tests.simulators.phone import Phone
from tests.simulators.user_agent import Page

CAMPUS, VPN, OUTSIDE = "192.0.2.10", "198.51.100.10", "203.0.113.10"
_CODE = re.compile(r"^(\d{6})$", re.MULTILINE)


@contextlib.contextmanager
def mailed(post: Post) -> Iterator[Attacked]:
    """slapd, Valkey and ``idp-mfa serve`` with every factor that it has."""
    with (
        slapd.slapd() as directory,
        valkey.running(Kind.VALKEY) as store,
        folder("audit") as place,
        identity_provider(
            free_port(),
            directory=directory,
            store=store,
            more={
                "audit": {"file": str(place / "audit.jsonl")},
                "factors": ["totp", "fido2", "image_matrix", "recovery_code"],
                "limits": {**WIDE, "mail_again_after": "0s"},
                "mail": {
                    "smtp": f"smtp://127.0.0.1:{post.port}",
                    "subject_prefix": "[二要素認証]",
                    "refused_domains": ["example.ac.jp"],
                },
                "metrics": {"bind": f"127.0.0.1:{free_port()}"},
                "site": {"short_name": "Test", "contact_url": "https://help.example/"},
            },
        ) as idp,
    ):
        started = Attacked(idp, directory, store, place / "audit.jsonl")
        idp.register(PLAIN.metadata())
        try:
            yield started
        finally:
            for browser in started.browsers:
                browser.close()


def own_address(person: Person) -> str:
    return f"{person.login}@home.example"


def staff_address(person: Person) -> str:
    return f"{person.login}@example.ac.jp"


def text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def code_in(mail: EmailMessage) -> str:
    found = _CODE.search(text(mail))
    assert found, text(mail)
    return found[1]


def subjects(mails: Sequence[EmailMessage]) -> list[str]:
    return [str(mail["Subject"]).removeprefix("[二要素認証]") for mail in mails]


def opened(site: Attacked, person: Person, path: str, address: str) -> Page:
    """A page of the portal, in a new browser, after whatever it asks."""
    page = site.browser(address).open(f"{site.idp.origin}{path}")
    return person.sign_in(page)


def press(page: Page, action: str, **filled: str) -> Page:
    """Send the form that goes to an address."""
    forms = [form for form in page.tree.forms if form.action.endswith(action)]
    assert len(forms) == 1, (page.url, page.words[:400])
    return page.submit(forms[0], **filled)


def set_up(site: Attacked, post: Post, person: Person, page: Page) -> Page:
    """From the first page of the first set-up to its last."""
    assert page.mark == "portal.mail", page.words[:300]
    page = press(page, "/send", address=own_address(person))
    page = press(page, "/code", code=code_in(post.to(own_address(person))[-1]))
    assert page.mark == "portal.totp.begin", page.words[:300]
    page = press(page, "/begin")
    person.phone = Phone(page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)"))
    return press(page, "/complete", code=person.phone.code())


def newcomer_with_all(site: Attacked, post: Post) -> Person:
    """Somebody who set up a phone and a re-issue address, and read what came of it."""
    person = site.person(enrolled=False)
    done = set_up(site, post, person, opened(site, person, "/portal/totp", CAMPUS))
    assert done.mark == "portal.totp.done"
    post.to(own_address(person), 2)
    return person


def key_on(page: Page) -> str:
    """The set-up key that a page shows."""
    return str(page.tree.xpath("string(//*[@data-totp-key]/@data-totp-key)"))


def reissue_code(post: Post, person: Person, came: int) -> str:
    """The code of the re-issue's mail, behind those that came before."""
    mails = post.to(own_address(person), came + 2)[came:]
    return code_in(next(one for one in mails if "anew" in one["Subject"]))
