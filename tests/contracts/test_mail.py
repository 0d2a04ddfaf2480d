"""Mail by every road: what arrives, what is for good, and that nothing goes in clear."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast

import pytest

from idp_mfa.letters import Mail
from idp_mfa.mail.folder import FolderMailer
from idp_mfa.mail.options import MailOptions, SmtpServer
from idp_mfa.mail.smtp import SmtpMailer
from idp_mfa.ports import Unavailable, Undeliverable
from tests.servers.foreground import free_port
from tests.servers.smtp import HOST, USER, Post, post_office

MAIL = Mail(
    "hanako@example.org",
    "[OMU二要素認証]二要素認証の再設定のご案内",
    "ja",
    "確認コード\n\n123456\n",
    "<p>確認コード</p>",
    {"Auto-Submitted": "auto-generated"},
)
OPTIONS = MailOptions(
    sender="mfa@univ.example", sender_name={"ja": "大学 二要素認証", "en": "University"}
)


def now() -> datetime:
    return datetime.now(UTC)


def by_smtp(options: MailOptions) -> SmtpMailer:
    assert options.server is not None
    return SmtpMailer(options, options.server, now, os.urandom)


def settings(post: Post, kind: str) -> MailOptions:
    if kind == "clear":
        return replace(OPTIONS, smtp=f"smtp://127.0.0.1:{post.port}")
    return replace(
        OPTIONS,
        # smtp://localhost would be in clear, so another name for the same host is asked.
        smtp=f"{kind}://{HOST}:{post.port}",
        ca_file=post.trusted,
        username=USER,
        password_file=post.password_file,
        timeout=timedelta(seconds=3),
    )


@pytest.fixture(params=["smtps", "clear"])
def road(request: pytest.FixtureRequest) -> Iterator[tuple[Post, SmtpMailer]]:
    with post_office(request.param) as post:
        yield post, by_smtp(settings(post, request.param))


def arrived(post: Post) -> EmailMessage:
    assert len(post.mails) == 1
    return post.mails[0]


def text(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    assert part is not None
    return str(part.get_content())


def test_a_mail_arrives_as_it_was_written(road: tuple[Post, SmtpMailer]) -> None:
    post, mailer = road
    mailer.ping()
    assert mailer.send(MAIL) is None
    mail = arrived(post)
    assert mail["To"] == MAIL.to
    assert mail["Subject"] == MAIL.subject
    assert mail["From"] == "大学 二要素認証 <mfa@univ.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@univ.example>")
    assert abs(mail["Date"].datetime - now()) < timedelta(minutes=1)
    assert text(mail, "plain").split() == MAIL.text.split()
    assert "<p>確認コード</p>" in text(mail, "html")


def test_an_address_that_is_refused_for_good_is_not_tried_again(
    road: tuple[Post, SmtpMailer],
) -> None:
    post, mailer = road
    post.answers("550 5.1.1 no such user")
    assert mailer.send(MAIL) is Undeliverable.REFUSED
    assert not post.mails


def test_a_server_that_is_busy_is_asked_again(road: tuple[Post, SmtpMailer]) -> None:
    post, mailer = road
    post.answers("451 4.3.0 later")
    with pytest.raises(Unavailable) as unavailable:
        mailer.send(MAIL)
    assert unavailable.value.part == "mail"
    post.answers(None)
    assert mailer.send(MAIL) is None


@pytest.mark.parametrize(
    "to", ["a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org", "", "@", "nobody"]
)
def test_no_address_adds_a_header_or_another_recipient(
    road: tuple[Post, SmtpMailer], to: str
) -> None:
    post, mailer = road
    assert mailer.send(replace(MAIL, to=to)) is Undeliverable.REFUSED
    assert not post.mails


def test_a_certificate_that_nobody_vouches_for_gets_nothing() -> None:
    with post_office("smtps") as post:
        mailer = by_smtp(replace(settings(post, "smtps"), ca_file=None))
        with pytest.raises(Unavailable):
            mailer.send(MAIL)
        assert not post.mails


def test_a_wrong_password_is_no_refusal_of_the_address(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    with post_office("smtps") as post:
        mailer = by_smtp(replace(settings(post, "smtps"), password_file=wrong))
        with pytest.raises(Unavailable) as unavailable:
            mailer.send(MAIL)
        assert "wrong" not in str(unavailable.value)
        assert not post.mails


def test_beside_loopback_it_is_starttls_or_nothing() -> None:
    for kind, port in (("smtp", free_port()), ("clear", free_port())):
        with post_office(kind) as post:
            del port
            options = settings(post, "smtp")
            remote = SmtpMailer(options, _Elsewhere("smtp", HOST, post.port), now, os.urandom)
            if kind == "smtp":
                assert remote.send(MAIL) is None
                assert len(post.mails) == 1
            else:
                with pytest.raises(Unavailable):
                    remote.send(MAIL)
                assert not post.mails


class _Elsewhere(SmtpServer):
    """A server that is not on this machine, though this one answers for it."""

    @property
    def in_clear(self) -> bool:
        return False


def test_a_server_that_is_not_there_is_unavailable() -> None:
    mailer = by_smtp(replace(OPTIONS, smtp=f"smtp://127.0.0.1:{free_port()}"))
    for act in (mailer.ping, cast("Callable[[], None]", lambda: mailer.send(MAIL))):
        with pytest.raises(Unavailable):
            act()


# -- the folder --------------------------------------------------------------------------------


def test_a_folder_gets_a_file_a_mail_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    mailer = FolderMailer(OPTIONS, folder, now, os.urandom)
    mailer.ping()
    for _ in range(3):
        assert mailer.send(MAIL) is None
    files = sorted(folder.glob("*.eml"))
    assert len(files) == len(list(folder.iterdir())) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    mail = cast("EmailMessage", message_from_bytes(files[0].read_bytes(), policy=default))
    assert mail["Subject"] == MAIL.subject
    assert "123456" in text(mail, "plain")


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    mailer = FolderMailer(OPTIONS, tmp_path / "file" / "outbox", now, os.urandom)
    with pytest.raises(Unavailable):
        mailer.send(MAIL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp": "http://mail.example"},
        {"smtp": "smtps://"},
        {"smtp": "smtps://a", "folder": Path("b")},
        {"sender": "nobody"},
        {"sender": "a b@c"},
        {"username": "mfa"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"smtp|sender|username"):
        replace(OPTIONS, **wrong)  # type: ignore[arg-type]


def test_only_loopback_is_spoken_to_in_clear() -> None:
    for url, clear in (
        ("smtp://127.0.0.1:25", True),
        ("smtp://[::1]:25", True),
        ("smtp://mail.univ.example", False),
        ("smtps://127.0.0.1", False),
    ):
        server = MailOptions(smtp=url).server
        assert server is not None
        assert server.in_clear is clear, url
