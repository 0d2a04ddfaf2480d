"""The help desk over HTTP: each role on each page and each POST, and two desks at one person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from idp_mfa.compose import compose
from idp_mfa.desk.roles import Act
from idp_mfa.settings import Settings, load
from tests.protocol.attacked import CAMPUS, OFF_CAMPUS, Attacked, Attacker, another_setting
from tests.servers import slapd
from tests.simulators.person import Person
from tests.simulators.user_agent import Page

DESK = {
    "roles": [
        {"role": "desk", "group": "help-desk"},
        {
            "role": "desk",
            "group": "student-desk",
            "within": {"eduPersonAffiliation": ["student"]},
            "acts": ["unlock", "reset"],
        },
        {"role": "auditor", "group": "auditors"},
    ],
    "protected_groups": ["finance"],
}
ACTS = [act.value for act in Act]
WAYS = {
    ("/admin", "GET"),
    ("/admin/now", "GET"),
    ("/admin/lists", "GET"),
    ("/admin/lists/csv", "GET"),
    ("/admin/find", "GET"),
    ("/admin/find", "POST"),
    ("/admin/person/<id>", "GET"),
    ("/admin/person/<id>/caller", "GET"),
    ("/admin/person/<id>/caller", "POST"),
    ("/admin/person/<id>/act", "GET"),
    ("/admin/person/<id>/act", "POST"),
    ("/admin/proposal/<id>/approve", "GET"),
    ("/admin/proposal/<id>/approve", "POST"),
    ("/admin/proposal/<id>/decline", "GET"),
    ("/admin/proposal/<id>/decline", "POST"),
    ("/admin/proposal/<id>/carry-out", "GET"),
    ("/admin/proposal/<id>/carry-out", "POST"),
    ("/admin/story", "GET"),
    ("/admin/story", "POST"),
    ("/admin/story/<id>", "GET"),
}
"""All that is tried below; the server's own routes are held against it."""
MAY: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    # Who may do what for a student, a teacher and a cashier; None: they are nobody to them.
    "desk": {"student": tuple(ACTS), "teacher": tuple(ACTS), "cashier": tuple(ACTS)},
    "colleague": {"student": tuple(ACTS), "teacher": tuple(ACTS), "cashier": tuple(ACTS)},
    "students": {"student": ("unlock", "reset"), "teacher": None, "cashier": None},
    "auditor": {"student": (), "teacher": (), "cashier": ()},
    "nobody": {"student": None, "teacher": None, "cashier": None},
}
GROUPS = {
    "desk": "help-desk",
    "colleague": "help-desk",
    "students": "student-desk",
    "auditor": "auditors",
    "nobody": "students",
}


@dataclass(frozen=True, slots=True)
class Bureau:
    """Staff who are signed in, and people who call."""

    site: Attacked
    staff: Mapping[str, Attacker]
    callers: Mapping[str, Person]

    def url(self, path: str) -> str:
        return f"{self.site.idp.origin}{path}"

    def id(self, name: str) -> str:
        (stable,) = self.site.directory.get(self.site.entry(self.callers[name]), "entryUUID")
        return stable.decode()

    def open(self, who: str, path: str) -> Page:
        return self.staff[who].open(self.url(path))

    def post(self, who: str, path: str, **values: str) -> Page:
        """With the token that the pages of that browser carry."""
        token = self.open(who, "/admin").tree.xpath("string(//input[@name='csrf']/@value)")
        return self.staff[who].send("POST", self.url(path), {"csrf": str(token), **values})

    def known(self, who: str, name: str) -> None:
        path = f"/admin/person/{self.id(name)}/caller"
        assert self.post(who, path, how="card", note="card 12").mark == "desk.person"

    def act(self, who: str, name: str, act: str, **values: str) -> Page:
        person = self.open(who, f"/admin/person/{self.id(name)}")
        generation = str(person.tree.xpath("string(//input[@name='generation']/@value)"))
        sent = {"act": act, "generation": generation, "reason": "lost phone", **values}
        return self.post(who, f"/admin/person/{self.id(name)}/act", **sent)


def newcomer(site: Attacked, login: str, affiliation: str, *groups: str) -> Person:
    site.directory.add([slapd.Person(login, f"{login} 様", groups, affiliation)])
    return Person(login, f"demo-{login}", site.idp.set_up_phone(login))


@pytest.fixture(scope="module")
def bureau(site: Attacked) -> Iterator[Bureau]:
    with another_setting(site, {"desk": DESK}) as there:
        callers = {
            "student": newcomer(there, "caller-student", "student", "students"),
            "teacher": newcomer(there, "caller-teacher", "staff", "staff"),
            "cashier": newcomer(there, "caller-cashier", "staff", "finance"),
        }
        staff = {}
        for name, group in GROUPS.items():
            browser = there.browser(CAMPUS)
            page = newcomer(there, f"desk-{name}", "staff", group).sign_in(
                browser.open(f"{there.idp.origin}/admin")
            )
            assert page.mark == ("desk.refused" if name == "nobody" else "desk.home"), page
            staff[name] = browser
        yield Bureau(there, staff, callers)


def test_every_address_of_the_desk_is_tried_here(bureau: Bureau) -> None:
    settings = load(bureau.site.idp.folder / "idp_mfa.yaml")
    assert isinstance(settings, Settings)
    app = compose(settings).application()
    there = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/admin")
    }
    assert there == WAYS


# -- each role on each page and each POST ----------------------------------------------------


@pytest.mark.parametrize("name", ["student", "teacher", "cashier"])
@pytest.mark.parametrize("who", MAY)
def test_a_role_sees_and_does_what_it_may_and_no_more(bureau: Bureau, who: str, name: str) -> None:
    may, path = MAY[who][name], f"/admin/person/{bureau.id(name)}"
    before = bureau.site.credentials(bureau.callers[name])
    refused = (403, "desk.refused") if who == "nobody" else (404, "error")
    page = bureau.open(who, path)
    assert (page.status, page.mark) == (refused if may is None else (200, "desk.person"))
    if may is None:
        assert bureau.callers[name].login not in page.words
    offered = {str(one) for one in page.tree.xpath("//input[@name='act']/@value")}
    assert offered <= set(may or ())
    for act in (*ACTS, "", "delete"):
        tried = bureau.post(who, f"{path}/act", act=act)
        if act in (may or ()):
            assert tried.status == 422, "asked for a reason, and nothing done"
        else:
            assert (tried.status, tried.mark) == refused, act
    called = bureau.post(who, f"{path}/caller", number="123456")
    if may:
        assert (called.status, called.mark) == (422, "desk.person")
    else:
        assert (called.status, called.mark) == refused
    found = bureau.post(who, "/admin/find", q=bureau.callers[name].login)
    assert (bureau.callers[name].login in found.words) == (may is not None)
    assert bureau.site.credentials(bureau.callers[name]) == before


@pytest.mark.parametrize("name", ["student", "teacher"])
@pytest.mark.parametrize("who", MAY)
def test_a_story_is_told_to_who_may_look_at_its_people(bureau: Bureau, who: str, name: str) -> None:
    site, caller = bureau.site, bureau.callers[name]
    browser = site.browser(OFF_CAMPUS)
    asked = caller.give_password(browser.open(bureau.url("/portal/activity")))
    wrong = asked.submit(asked.form_with("code"), code="12345")
    code = str(wrong.tree.xpath("string(//*[@data-reference])"))
    for typed in (code, f" {code[:4].lower()}-{code[4:]} "):
        page = bureau.post(who, "/admin/story", reference=typed)
        if who == "nobody":
            assert (page.status, page.mark) == (403, "desk.refused")
        elif MAY[who][name] is None:
            nothing = bureau.open(who, "/admin/story/ZZZZZZZZ")
            assert (page.status, page.mark) == (404, "desk.no-story")
            assert page.words == nothing.words, "no word whether there is one"
        else:
            assert (page.status, page.mark) == (200, "desk.story")
            assert OFF_CAMPUS in page.words
            events = page.tree.xpath("//@data-event")
            assert events[-1] == "factor.rejected"
            assert page.tree.xpath("//@data-advice") == ["wrong-code"]
        for secret in ("12345", caller.password, caller.phone.key if caller.phone else ""):
            assert secret not in page.text.replace(code, "")


@pytest.mark.parametrize("way", sorted(WAYS), ids=" ".join)
@pytest.mark.parametrize("forged", ["", "0" * 64])
def test_a_forged_form_and_a_get_change_nothing(
    bureau: Bureau, way: tuple[str, str], forged: str
) -> None:
    rule, method = way
    path, person = rule.replace("<id>", bureau.id("student")), bureau.callers["student"]
    before = bureau.site.credentials(person)
    values = {"csrf": forged, "act": "reset", "reason": "x", "factor": "totp", "how": "card"}
    page = bureau.staff["desk"].send(method, bureau.url(path), values if method == "POST" else None)
    assert page.status in (200, 404)
    assert page.mark != "desk.done"
    assert bureau.site.credentials(person) == before
    shown = bureau.open("desk", f"/admin/person/{bureau.id('student')}")
    assert shown.tree.xpath("//input[@name='number']"), "nobody has vouched for the caller"


def test_a_password_alone_opens_no_desk_on_campus(bureau: Bureau) -> None:
    thief = Person("desk-desk", "demo-desk-desk")
    for address in (CAMPUS, OFF_CAMPUS):
        browser = bureau.site.browser(address)
        assert thief.give_password(browser.open(bureau.url("/admin"))).mark == "signin.challenge"
        assert browser.open(bureau.url("/admin")).mark != "desk.home"


def test_no_page_of_the_desk_shows_a_secret_of_anybody(bureau: Bureau) -> None:
    caller = bureau.callers["teacher"]
    assert caller.phone is not None
    page = bureau.open("desk", f"/admin/person/{bureau.id('teacher')}")
    assert caller.login in page.words
    for octets in bureau.site.credentials(caller):
        assert octets.decode("ascii", "replace") not in page.text
    for secret in (caller.phone.key, "hashes", "salt", "secret", caller.password, "uid="):
        assert secret not in page.text


@pytest.mark.parametrize("id", ["nobody", "*", "%28uid=*%29", "%00", "A" * 500, "-"])
def test_nobody_is_found_by_a_name_that_is_made_up(bureau: Bureau, id: str) -> None:
    for path in (f"/admin/person/{id}", f"/admin/story/{id}"):
        assert bureau.open("desk", path).status == 404
    assert bureau.post("desk", f"/admin/person/{id}/act", act="unlock", reason="x").status == 404
    assert bureau.post("desk", f"/admin/proposal/{id}/approve").status == 422


def test_looking_is_on_record(bureau: Bureau) -> None:
    bureau.open("auditor", f"/admin/person/{bureau.id('teacher')}")
    lines = [json.loads(line) for line in bureau.site.audited().splitlines()]
    looked = [line for line in lines if line["event"] == "desk.looked"]
    assert looked[-1]["detail"]["person"] == bureau.id("teacher")
    assert looked[-1]["user"] not in (None, bureau.id("teacher"))


@pytest.mark.parametrize("who", MAY)
def test_a_list_names_those_in_reach_on_a_page_and_in_a_file(bureau: Bureau, who: str) -> None:
    path = "/admin/lists?list=one-device"
    page, file = bureau.open(who, path), bureau.open(who, path.replace("lists", "lists/csv"))
    if who == "nobody":
        assert (page.mark, page.status, file.status) == ("desk.refused", 403, 403)
        return
    assert (page.mark, page.status) == ("desk.lists", 200)
    assert file.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in file.headers["Content-Disposition"]
    for name, caller in bureau.callers.items():
        may = MAY[who][name] is not None
        links = page.tree.xpath(f"//a[@href='/admin/person/{bureau.id(name)}']")
        assert (bool(links), f'"{caller.login}"' in file.text) == (may, may)
        assert caller.phone is not None
        assert caller.phone.key not in page.text + file.text
    one_group = bureau.open(who, f"{path}&group=finance")
    assert len(one_group.tree.xpath("//ul[contains(@class, 'rows')]/li")) == (who != "students")


def test_a_list_that_is_looked_at_is_on_record(bureau: Bureau) -> None:
    bureau.open("auditor", "/admin/lists?list=disabled&group=no-such-group")
    lines = [json.loads(line) for line in bureau.site.audited().splitlines()]
    looked = [line["detail"] for line in lines if line["event"] == "desk.looked"]
    assert looked[-1] == {"at": "list", "list": "disabled", "people": 0}


def test_what_goes_on_at_the_moment_is_counted_and_names_nobody(bureau: Bureau) -> None:
    def wrong(page: Page) -> int:
        said = page.tree.xpath("//ul[@data-counts='wrong-codes']/li/strong/text()")
        return sum(map(int, said))

    caller = bureau.callers["student"]
    before = bureau.open("students", "/admin/now")
    asked = caller.give_password(bureau.site.browser(OFF_CAMPUS).open(bureau.url("/portal/mail")))
    asked.submit(asked.form_with("code"), code="12345")
    page = bureau.open("students", "/admin/now")
    assert (page.mark, page.status) == ("desk.now", 200)
    assert wrong(page) == wrong(before) + 1
    asked_in = page.tree.xpath("//ul[@data-counts='asked']/li/span/text()")
    assert "Outside the campus network" in asked_in
    for name in (caller.login, bureau.id("student"), "caller-"):
        assert name not in page.text
    assert bureau.open("nobody", "/admin/now").mark == "desk.refused"


# -- acts ------------------------------------------------------------------------------------


def test_a_reset_raced_from_two_desks_has_one_winner(bureau: Bureau) -> None:
    caller = newcomer(bureau.site, "caller-raced", "student", "students")
    both = Bureau(bureau.site, bureau.staff, {"raced": caller})
    for who in ("desk", "colleague"):
        both.known(who, "raced")
    path = f"/admin/person/{both.id('raced')}"
    shown = {who: both.open(who, path) for who in ("desk", "colleague")}
    forms = {
        who: {
            "csrf": str(page.tree.xpath("string(//input[@name='csrf']/@value)")),
            "generation": str(page.tree.xpath("string(//input[@name='generation']/@value)")),
            "act": "reset",
            "factor": "totp",
            "reason": "lost phone",
        }
        for who, page in shown.items()
    }
    with ThreadPoolExecutor(2) as desks:
        answers = list(
            desks.map(
                lambda who: both.staff[who].send("POST", both.url(f"{path}/act"), forms[who]), forms
            )
        )
    assert sorted((page.status, page.mark) for page in answers) == [
        (200, "desk.done"),
        (422, "desk.person"),
    ]
    (done,) = [page for page in answers if page.status == 200]
    (lost,) = [page for page in answers if page.status == 422]
    assert "Somebody else changed this account" in lost.words
    code = str(done.tree.xpath("string(//*[@data-passcode])")).strip()
    assert code not in lost.text
    assert code not in bureau.site.audited()

    # Back and "send again", at either desk: nothing more happens, and no code is shown.
    for who, form in forms.items():
        again = both.staff[who].send("POST", both.url(f"{path}/act"), form)
        assert (again.status, again.mark) == (422, "desk.person")
        assert not again.tree.xpath("//*[@data-passcode]")

    # The old phone is dead at once, and the passcode sets a new one up from anywhere.
    browser = bureau.site.browser(OFF_CAMPUS)
    assert caller.give_password(browser.open(both.url("/portal/activity"))).mark == "signin.refused"
    browser = bureau.site.browser(OFF_CAMPUS)
    asked = caller.give_password(browser.open(both.url("/portal/totp")))
    assert (asked.mark, asked.factor) == ("signin.challenge", "enrolment_passcode")
    inside = asked.submit(asked.form_with("code"), code=code)
    assert urlsplit(inside.url).path == "/portal/totp", inside
    again = bureau.site.browser(OFF_CAMPUS)
    asked = caller.give_password(again.open(both.url("/portal/totp")))
    assert asked.mark != "signin.challenge", "the code is spent"


def test_for_a_protected_person_two_have_to_agree(bureau: Bureau) -> None:
    before = bureau.site.credentials(bureau.callers["cashier"])
    bureau.known("desk", "cashier")
    page = bureau.act("desk", "cashier", "reset", factor="totp")
    assert (page.mark, page.tree.xpath("//@data-waiting")) == ("desk.home", ["1"])
    (action,) = page.tree.xpath("//form[contains(@action, '/decline')]/@action")
    proposal = str(action).rpartition("/")[0]
    for who in ("desk", "auditor", "students", "nobody"):
        for step in ("approve", "carry-out"):
            assert bureau.post(who, f"{proposal}/{step}").status in (403, 422)
    assert bureau.post("students", f"{proposal}/decline").status == 422
    assert bureau.site.credentials(bureau.callers["cashier"]) == before
    agreed = bureau.post("colleague", f"{proposal}/approve")
    assert agreed.mark == "desk.home"
    assert bureau.post("colleague", f"{proposal}/carry-out").status == 422
    assert bureau.site.credentials(bureau.callers["cashier"]) == before
    done = bureau.post("desk", f"{proposal}/carry-out")
    assert done.mark == "desk.done"
    assert done.tree.xpath("//*[@data-passcode]")
    assert bureau.post("desk", f"{proposal}/carry-out").status == 422
    events = bureau.site.events(bureau.callers["cashier"])
    wanted = ("caller.proved", "desk.proposed", "desk.approved", "factor.suspended")
    assert [one for one in events if one in wanted] == list(wanted)


def test_a_caller_is_known_by_the_number_of_their_own_page(bureau: Bureau) -> None:
    caller = newcomer(bureau.site, "caller-known", "student", "students")
    one = Bureau(bureau.site, bureau.staff, {"known": caller})
    path = f"/admin/person/{one.id('known')}"
    assert bureau.site.browser(OFF_CAMPUS).open(one.url("/portal/caller")).mark == "signin.password"
    browser = bureau.site.browser(OFF_CAMPUS)
    page = caller.sign_in(browser.open(one.url("/portal/caller")))
    assert (page.mark, page.tree.xpath("//*[@data-number]")) == ("portal.caller", [])
    shown = page.submit(next(form for form in page.tree.forms if "show" in form.action))
    number = str(shown.tree.xpath("string(//*[@data-number])")).strip()
    assert "First make sure who calls" in one.act("desk", "known", "passcode").words
    known = one.post("desk", f"{path}/caller", number=number)
    assert known.status == 200
    done = one.act("desk", "known", "passcode", hours="1")
    assert done.mark == "desk.done"
    assert one.post("colleague", f"{path}/caller", number=number).status == 422, "spent"
    assert number.replace(" ", "") not in bureau.site.audited()


def test_a_number_of_whoever_has_the_password_alone_opens_nothing(bureau: Bureau) -> None:
    caller = newcomer(bureau.site, "caller-robbed", "student", "students")
    one = Bureau(bureau.site, bureau.staff, {"robbed": caller})
    path = f"/admin/person/{one.id('robbed')}"
    thief = Person(caller.login, caller.password)
    page = thief.give_password(bureau.site.browser(CAMPUS).open(one.url("/portal/caller")))
    assert page.mark == "portal.caller", page
    shown = page.submit(next(form for form in page.tree.forms if "show" in form.action))
    number = str(shown.tree.xpath("string(//*[@data-number])")).strip()
    known = one.post("desk", f"{path}/caller", number=number)
    assert "it opens nothing" in known.words
    assert known.tree.xpath("//select[@name='how']"), "and another way to make sure is at hand"
    for act in ("passcode", "enrol", "reset"):
        refused = one.act("desk", "robbed", act, hours="1", factor="totp")
        assert (refused.status, refused.mark) == (422, "desk.person"), act
        assert "First make sure who calls" in refused.words


def test_what_the_desk_ends_is_ended_and_told(bureau: Bureau) -> None:
    caller = newcomer(bureau.site, "caller-ended", "student", "students")
    one = Bureau(bureau.site, bureau.staff, {"ended": caller})
    page = caller.sign_in(bureau.site.browser(OFF_CAMPUS).open(one.url("/portal/activity")))
    assert page.mark == "portal.activity"
    assert one.act("desk", "ended", "end-sessions").mark == "desk.done"
    assert page.agent.open(page.url).mark == "signin.password"
    assert bureau.site.events(caller).count("session.ended") == 1
