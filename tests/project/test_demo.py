"""The demo as a newcomer meets it: started by its command, walked by browser, stopped by Ctrl-C."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from idp_mfa.demo.address import COOKIE
from tests.servers.foreground import free_port, listening, running
from tests.simulators.person import Person
from tests.simulators.phone import Phone
from tests.simulators.user_agent import Page, UserAgent

REFEDS_MFA = "https://refeds.org/profile/mfa"
PASSWORD_ONLY = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
_PATIENCE = 90.0
CARD = {"user", "password", "groups", "totp_key", "pictures"}


@dataclass(slots=True)
class Demo:
    """A running ``idp-mfa demo``."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def identity_provider(self) -> str:
        return _address(self.said, "Sign-in and portal")

    @property
    def service(self) -> str:
        return _address(self.said, "Demo service")

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def _address(said: str, name: str) -> str:
    found = re.search(rf"{name}\s+(http://\S+)", said)
    assert found, said
    return found[1]


def _command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "idp_mfa", "demo", *map(str, words)]


def _ask(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*words), capture_output=True, text=True, check=False, timeout=180
    )


def _asked_as_admin(demo: Demo, *words: str) -> str:
    """Of ``idp-mfa`` itself, with the demo's settings."""
    config = str(demo.folder / "idp_mfa.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "idp_mfa", "--config", config, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _start(place: Path, *more: str) -> Demo:
    place.mkdir(exist_ok=True)
    log = place / f"demo-{time.monotonic_ns()}.out"
    folder = place / "var"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command("--var", folder, "--port", str(free_port()), "--sp-port", str(free_port()))
            + list(more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    demo = Demo(process, folder, log)
    end = time.monotonic() + _PATIENCE
    while "Ctrl-C stops everything" not in demo.said:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            logs = "".join(each.read_text()[-2000:] for each in folder.glob("log/*.log"))
            pytest.fail(f"the demo did not start:\n{demo.said}\n{logs}")
        time.sleep(0.05)
    return demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = _start(tmp_path_factory.mktemp("demo"))
    try:
        yield running
    finally:
        running.stop(signal.SIGTERM)


@pytest.fixture
def browser(demo: Demo) -> Iterator[UserAgent]:
    agent = UserAgent(demo.identity_provider)
    try:
        yield agent
    finally:
        agent.close()


@pytest.fixture(scope="module")
def people(demo: Demo) -> dict[str, Person]:
    """Phones are kept for the whole module: they show no code twice."""
    cards = json.loads(_ask("users", "--var", demo.folder, "--json").stdout)
    return {
        card["user"]: Person(
            card["user"], card["password"], Phone(card["totp_key"]) if card["totp_key"] else None
        )
        for card in cards
    }


def _told(page: Page, mark: str) -> str | None:
    for element in page.tree.iterfind(f".//*[@{mark}]"):
        return str(element.get(mark))
    return None


@dataclass(slots=True)
class _Forger(UserAgent):
    """A browser that puts other words into the answers it carries."""

    forge: tuple[bytes, bytes] = (b"", b"")
    forged: int = 0

    def once(self, method: str, url: str, data: Mapping[str, str] | None) -> Page:
        if data and "SAMLResponse" in data:
            answer = base64.b64decode(data["SAMLResponse"])
            self.forged += answer.count(self.forge[0])
            changed = base64.b64encode(answer.replace(*self.forge)).decode()
            data = {**data, "SAMLResponse": changed}
        return UserAgent.once(self, method, url, data)


def _attribute(page: Page, name: str) -> str:
    (element,) = page.tree.iterfind(f".//*[@data-attribute='{name}']")
    return str(element.text_content())


class TestNewcomer:
    def test_off_campus_the_yellow_screen_asks_and_the_service_is_told(
        self, demo: Demo, browser: UserAgent, people: dict[str, Person]
    ) -> None:
        page = browser.open(demo.service).press("wish", "")
        assert _told(page, "data-seen-as") == "203.0.113.10"
        page = people["alice"].give_password(page)
        assert page.mark == "signin.challenge"
        page = people["alice"].give_code(page)
        assert page.mark == "demo.service"
        assert _told(page, "data-authn-class") == REFEDS_MFA
        assert _attribute(page, "uid") == "alice"
        assert _attribute(page, "eduPersonPrincipalName") == "alice@example.ac.jp"

    def test_on_campus_nothing_more_is_asked_until_the_service_asks(
        self, demo: Demo, browser: UserAgent, people: dict[str, Person]
    ) -> None:
        page = browser.open(demo.service).press("place", "campus").press("wish", "")
        assert _told(page, "data-seen-as") == "192.0.2.10"
        page = people["dave"].give_password(page)
        assert _told(page, "data-authn-class") == PASSWORD_ONLY
        page = page.press("wish", "mfa")
        assert page.mark == "signin.challenge"
        page = people["dave"].give_code(page)
        assert _told(page, "data-authn-class") == REFEDS_MFA

    def test_asked_again_everything_is_shown_anew(
        self, demo: Demo, browser: UserAgent, people: dict[str, Person]
    ) -> None:
        page = browser.open(demo.service).press("place", "vpn").press("wish", "")
        before = people["helen"].give_password(page)
        again = before.press("wish", "again")
        assert again.mark == "signin.password"
        after = people["helen"].sign_in(again)
        instants = [_told(each, "data-authn-instant") for each in (before, after)]
        assert None not in instants
        assert instants[0] <= instants[1]  # type: ignore[operator]

    def test_log_out_ends_the_session_for_sure(
        self, demo: Demo, browser: UserAgent, people: dict[str, Person]
    ) -> None:
        page = browser.open(demo.service).press("place", "campus").press("wish", "")
        page = people["dave"].give_password(page)
        (form,) = (each for each in page.tree.forms if each.action.endswith("/log-out"))
        page = page.submit(form)
        assert page.mark == "demo.service"
        assert _told(page, "data-notice") == "gone"
        assert browser.open(demo.service).press("wish", "").mark == "signin.password"

    def test_the_page_speaks_japanese(self, demo: Demo) -> None:
        agent = UserAgent(demo.identity_provider, language="ja")
        page = agent.open(demo.service)
        assert "ログイン" in page.words
        assert "学外" in page.press("wish", "").words
        agent.close()

    def test_an_answer_counts_once_and_in_its_own_browser(
        self, demo: Demo, browser: UserAgent, people: dict[str, Person]
    ) -> None:
        page = browser.open(demo.service).press("place", "campus").press("wish", "")
        people["dave"].give_password(page)
        answer = browser.carried("SAMLResponse")
        for agent in (browser, UserAgent(demo.identity_provider)):
            agent.session.cookies.clear()
            again = agent.send("POST", answer.url, answer.sent)
            assert _told(again, "data-notice") == "UnsolicitedResponse"
            assert _told(again, "data-authn-class") is None

    def test_an_answer_that_was_changed_on_the_way_is_refused(
        self, demo: Demo, people: dict[str, Person]
    ) -> None:
        agent = _Forger(demo.identity_provider, forge=(b">dave<", b">olga<"))
        page = agent.open(demo.service).press("place", "campus").press("wish", "")
        page = people["dave"].give_password(page)
        assert agent.forged == 1
        assert _told(page, "data-notice") == "SignatureError"
        assert _told(page, "data-authn-class") is None
        agent.close()

    def test_a_made_up_answer_signs_nobody_in(self, demo: Demo, browser: UserAgent) -> None:
        browser.open(demo.service)
        page = browser.send("POST", f"{demo.service}acs", {"SAMLResponse": "PHg+"})
        assert _told(page, "data-authn-class") is None
        assert _told(page, "data-notice") is not None


class TestCommands:
    def test_the_people_of_the_contract_are_there(self, demo: Demo) -> None:
        cards = json.loads(_ask("users", "--var", demo.folder, "--json").stdout)
        assert [set(card) for card in cards] == [CARD] * 6
        dave = next(card for card in cards if card["pictures"])
        assert (dave["user"], len(set(dave["pictures"]))) == ("dave", 6)
        assert {card["user"]: card["password"] for card in cards} == {
            name: f"demo-{name}" for name in ("alice", "bob", "dave", "helen", "ivan", "olga")
        }
        assert [card["user"] for card in cards if card["totp_key"] is None] == ["bob"]
        shown = _ask("users", "--var", demo.folder).stdout
        assert all(card["password"] in shown for card in cards)
        assert ", ".join(dave["pictures"]) in shown

    def test_the_code_is_that_of_the_key(self, demo: Demo) -> None:
        cards = json.loads(_ask("users", "--var", demo.folder, "--json").stdout)
        key = next(card["totp_key"] for card in cards if card["user"] == "ivan")
        before = int(time.time()) // 30
        done = _ask("code", "ivan", "--var", demo.folder)
        after = int(time.time()) // 30
        assert done.stdout.strip() in {Phone(key).at(step) for step in (before, after)}

    def test_who_has_no_key_has_no_code(self, demo: Demo) -> None:
        for login in ("bob", "nobody", "*"):
            done = _ask("code", login, "--var", demo.folder)
            assert done.returncode == 1
            assert not done.stdout

    def test_desk_and_admins_have_something_to_see(self, demo: Demo, tmp_path: Path) -> None:
        tokens = tmp_path / "tokens.csv"
        tokens.write_text("login,base32\nbob,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n")
        found = _asked_as_admin(
            demo, "audit", "search", "--user", "alice", "--outcome", "old-key", "--json"
        )
        assert len(json.loads(found)) == 4
        assert "head " in _asked_as_admin(demo, "audit", "verify")
        listed = _asked_as_admin(demo, "user", "list", "--without-factor", "--json")
        assert [row["login"] for row in json.loads(listed)] == ["bob"]
        assert '"bob"' in _asked_as_admin(demo, "user", "list", "--without-factor", "--csv")
        looked = _asked_as_admin(demo, "user", "import", str(tokens), "--format", "csv")
        assert "1 taken" in looked
        listed = _asked_as_admin(demo, "user", "list", "--without-factor", "--json")
        assert listed.count("login") == 1, "a dry run changes nothing"

    def test_a_folder_without_a_demo_is_said_to_be_one(self, tmp_path: Path) -> None:
        done = _ask("users", "--var", tmp_path)
        assert done.returncode == 1
        assert "no demo" in done.stderr
        assert not list(tmp_path.iterdir())

    def test_a_second_demo_in_the_same_folder_is_refused(self, demo: Demo) -> None:
        done = _ask("--var", demo.folder)
        assert done.returncode == 1
        assert "already runs" in done.stderr

    def test_its_files_are_its_owners_alone(self, demo: Demo) -> None:
        assert demo.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("address", "mark"), [(None, "signin.challenge"), ("192.0.2.10", "portal.home")]
)
def test_the_product_itself_knows_no_such_cookie(
    demo: Demo, people: dict[str, Person], address: str | None, mark: str
) -> None:
    port = free_port()
    text = (demo.folder / "idp_mfa.yaml").read_text()
    settings = demo.folder / "serve.yaml"
    settings.write_text(
        text.replace("bind: 127.0.0.1:0", f"bind: 127.0.0.1:{port}").replace(
            f'base_url: "{demo.identity_provider.rstrip("/")}"',
            f"base_url: http://localhost:{port}",
        )
    )
    with running(
        (sys.executable, "-m", "idp_mfa", "--config", str(settings), "serve"),
        log=demo.folder.parent / "serve.out",
        ready=lambda: listening(port),
    ):
        agent = UserAgent(f"http://localhost:{port}", address)
        agent.session.cookies.set(COOKIE, "campus", domain="localhost.local")
        home = agent.open(agent.idp)
        (form,) = (each for each in home.tree.forms if each.action.endswith("/portal/signin"))
        assert people["olga"].give_password(home.submit(form)).mark == mark
        agent.close()


def test_keys_stay_between_runs_and_everything_stops(tmp_path: Path) -> None:
    keys = []
    for number in (signal.SIGINT, signal.SIGTERM):
        running = _start(tmp_path)
        keys.append(_ask("users", "--var", running.folder, "--json").stdout)
        ports = [
            int(url.rstrip("/").rpartition(":")[2])
            for url in (running.identity_provider, running.service)
        ]
        assert all(map(listening, ports))
        assert running.stop(number) == 0
        assert not any(map(listening, ports))
        assert not _alive(running.folder)
    assert keys[0] == keys[1]


def test_a_taken_port_is_left_to_who_has_it(tmp_path: Path, demo: Demo) -> None:
    taken = demo.identity_provider.rstrip("/").rpartition(":")[2]
    running = _start(tmp_path, "--port", taken, "--no-sp")
    try:
        assert running.identity_provider.rstrip("/").rpartition(":")[2] != taken
        assert "Demo service" not in running.said
    finally:
        running.stop(signal.SIGTERM)


def test_when_one_part_dies_the_rest_stops_and_says_so(tmp_path: Path) -> None:
    running = _start(tmp_path)
    (store,) = (pid for pid, words in _alive(running.folder).items() if "server" in words)
    os.kill(store, signal.SIGKILL)
    assert running.process.wait(30) == 1
    assert "store" in running.said
    assert not _alive(running.folder)


def test_a_long_folder_name_is_no_obstacle(tmp_path: Path) -> None:
    running = _start(tmp_path / ("long" * 30))
    assert running.stop(signal.SIGTERM) == 0


def _alive(folder: Path) -> dict[int, str]:
    """Processes that name the folder in their command line or environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(folder) in words or str(folder) in environment:
                found[int(entry.name)] = words
    return found
