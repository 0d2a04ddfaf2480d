"""Hostile addresses in each form that settings know, from campus and from outside (advisory 1).

Where we see a request is read from /network, and for the cases that matter by signing in. Nothing
that a client writes may bring it to the campus; what a listed proxy appends decides.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.protocol.attacked import CAMPUS, OFF_CAMPUS, Attacked, another_setting, raw
from tests.protocol.test_attacks_address import Headers, after_password
from tests.servers import valkey
from tests.servers.foreground import free_port
from tests.servers.nginx import ADDRESS_HEADER, Front, nginx, origin
from tests.servers.valkey import Kind
from tests.simulators.person import Person

PROXY = "10.0.0.7"
"""A second proxy of ours, farther out than the one that connects."""
CAMPUS_PEER, OUTSIDE_PEER = "127.0.0.9", "127.0.0.8"
"""Sources of connections to the node without a proxy; its policy has the first one on campus."""
HOST = "idp.univ.test"
LISTED = ["127.0.0.1/32", "10.0.0.0/24"]
PLACES = {CAMPUS: "campus", OFF_CAMPUS: "outside"}
FORMS = {"list": "X-Forwarded-For", "forwarded": "Forwarded", "single": "X-Real-IP"}

JUNK: dict[str, str] = {
    "campus": CAMPUS,
    "campus with a port": f"{CAMPUS}:443",
    "campus in brackets": "[2001:db8:1::10]:443",
    "campus, mapped": f"::ffff:{CAMPUS}",
    "campus with a zone id": "2001:db8:1::10%eth0",
    "our proxy": PROXY,
    "our proxy and campus": f"{CAMPUS}, {PROXY}",
    "loopback": "127.0.0.1",
    "hidden": "_hidden",
    "unknown": "unknown",
    "nothing": "",
    "a quote": '"',
    "a pair": f"for={CAMPUS}",
    "a quoted pair": f'for="{CAMPUS}',
    "rubbish": "\xff\xfe;=,,\\ [::]]",
    "html": "<script>alert(1)</script>",
}
"""What a client writes into the header before a proxy of ours appends what it sees."""


@dataclass(frozen=True, slots=True)
class SeenAt:
    """What /network says."""

    place: str
    address: str | None
    asked: str
    reference: str | None
    page: str


def read(page: str) -> SeenAt:
    def found(pattern: str) -> str | None:
        match = re.search(pattern, page)
        return match[1] if match else None

    place, asked = found(r'data-place="([^"]+)"'), found(r'data-asked="([^"]+)"')
    assert place is not None, page[:2000]
    assert asked is not None
    address = found(r"data-address>([^<]+)<")
    return SeenAt(place, address, asked, found(r"data-reference>([^<]+)<"), page)


def look(node: Attacked, headers: Headers = (), source: str = "127.0.0.1") -> SeenAt:
    status, head, text = raw(node, "GET", "/network", headers, source=source)
    assert status == 200, text[:500]
    assert "set-cookie" not in head
    assert head["cache-control"] == "no-store"
    return read(text)


@pytest.fixture(scope="module")
def nodes(
    site: Attacked, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Attacked]]:
    """The same provider with each form of header, and one without any proxy."""
    policy = tmp_path_factory.mktemp("policy") / "policy.yaml"
    settings = yaml.safe_load((site.idp.folder / "idp_mfa.yaml").read_text())
    limits = {**settings["limits"], "transactions_per_minute": 100_000}
    networks = "networks: [192.0.2.0/24,"
    text = Path(settings["policy"]).read_text()
    assert networks in text
    policy.write_text(text.replace(networks, f"{networks} {CAMPUS_PEER}/32,"))
    with contextlib.ExitStack() as stack:

        def started(**changed: Any) -> Attacked:
            return stack.enter_context(another_setting(site, {"limits": limits, **changed}))

        yield {
            **{
                form: started(proxies={"networks": LISTED, "header": header})
                for form, header in FORMS.items()
            },
            "bare": started(proxies={}, policy=str(policy)),
        }


def element(address: str, form: str) -> str:
    """An address as a proxy of ours writes it."""
    if form != "forwarded":
        return address
    return f'for="[{address}]"' if ":" in address else f"for={address}"


# -- what a client writes before a proxy of ours -----------------------------------------------


@pytest.mark.parametrize("real", PLACES)
@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("form", FORMS)
def test_what_a_client_writes_never_moves_it(
    nodes: Mapping[str, Attacked], form: str, junk: str, real: str
) -> None:
    name, node = FORMS[form], nodes[form]
    written = JUNK[junk]
    appended = element(real, form)
    joined = look(node, ((name, f"{written}, {appended}"),))
    lines = look(node, ((name, written), (name, appended)))
    through = look(node, ((name, written), (name, appended), (name, element(PROXY, form))))
    for seen in (joined, lines, through):
        assert (seen.place, seen.address) in {(PLACES[real], real), ("unknown", None)}
        assert (seen.asked == "nothing") == (seen.place == "campus")
        assert PROXY not in seen.page
        assert "<script>alert" not in seen.page
    if form == "list":
        assert [one.place for one in (joined, lines, through)] == [PLACES[real]] * 3
    if form == "single":
        assert [one.place for one in (joined, lines, through)] == ["unknown"] * 3


@pytest.mark.parametrize("real", PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_a_hundred_hops_are_not_walked(nodes: Mapping[str, Attacked], form: str, real: str) -> None:
    hops = ", ".join([element(CAMPUS, form)] * 99 + [element(real, form)])
    assert look(nodes[form], ((FORMS[form], hops),)).place == "unknown"
    lines = tuple((FORMS[form], element(CAMPUS, form)) for _ in range(60))
    assert look(nodes[form], (*lines, (FORMS[form], element(real, form)))).place == "unknown"


# -- what the nearest proxy says ---------------------------------------------------------------

SAID: dict[str, dict[str, tuple[str, str | None]]] = {
    "list": {
        CAMPUS: ("campus", CAMPUS),
        f"{CAMPUS}:65535": ("campus", CAMPUS),
        f"{CAMPUS}:65536": ("unknown", None),
        f"{CAMPUS}:": ("unknown", None),
        f"::ffff:{CAMPUS}": ("campus", CAMPUS),
        f"[::ffff:{CAMPUS}]:1": ("campus", CAMPUS),
        "[2001:db8:1::10]:443": ("campus", "2001:db8:1::10"),
        "2001:DB8:1:0::10": ("campus", "2001:db8:1::10"),
        "2001:db8:2::10": ("outside", "2001:db8:2::10"),
        "2001:db8:1::10%eth0": ("unknown", None),
        "[2001:db8:1::10%25eth0]": ("unknown", None),
        f"[{CAMPUS}]": ("unknown", None),
        f"{CAMPUS}/24": ("unknown", None),
        f'"{CAMPUS}"': ("unknown", None),
        f"{CAMPUS} {OFF_CAMPUS}": ("unknown", None),
        f"{CAMPUS};{OFF_CAMPUS}": ("unknown", None),
        f"{CAMPUS},": ("unknown", None),
        "_hidden": ("unknown", None),
        "unknown": ("unknown", None),
        "": ("unknown", None),
        ",": ("unknown", None),
        PROXY: ("unknown", None),
        "127.0.0.1": ("unknown", None),
        "192.0.2": ("unknown", None),
        "0300.0.2.10": ("unknown", None),
        "0xc000020a": ("unknown", None),
        "\xb9\xb2.0.2.10": ("unknown", None),
        f"for={CAMPUS}": ("unknown", None),
    },
    "forwarded": {
        f"for={CAMPUS}": ("campus", CAMPUS),
        f"FOR={CAMPUS};proto=https": ("campus", CAMPUS),
        f'for="{CAMPUS}:443"': ("campus", CAMPUS),
        'for="[2001:db8:1::10]:443"': ("campus", "2001:db8:1::10"),
        f'for="[::ffff:{CAMPUS}]"': ("campus", CAMPUS),
        "for=2001:db8:1::10": ("unknown", None),
        'for="[2001:db8:1::10%eth0]"': ("unknown", None),
        f'for="{CAMPUS}': ("unknown", None),
        f"for={CAMPUS};for={OFF_CAMPUS}": ("unknown", None),
        f"for={CAMPUS},": ("unknown", None),
        f"by={CAMPUS}": ("unknown", None),
        CAMPUS: ("unknown", None),
        "for=_hidden": ("unknown", None),
        'for="_hidden:443"': ("unknown", None),
        "for=unknown": ("unknown", None),
        "for=": ("unknown", None),
        "": ("unknown", None),
        f"for={PROXY}": ("unknown", None),
        f'for={CAMPUS};host="x, for={OFF_CAMPUS}': ("unknown", None),
    },
    "single": {
        CAMPUS: ("campus", CAMPUS),
        "[2001:db8:1::10]:443": ("campus", "2001:db8:1::10"),
        f"{OFF_CAMPUS}, {CAMPUS}": ("unknown", None),
        f"{CAMPUS}, {OFF_CAMPUS}": ("unknown", None),
        "2001:db8:1::10%1": ("unknown", None),
        PROXY: ("unknown", None),
        "unknown": ("unknown", None),
        "": ("unknown", None),
    },
}
"""The whole header as it may come, and where that is."""


@pytest.mark.parametrize("form", SAID)
def test_each_spelling_is_read_or_unknown(nodes: Mapping[str, Attacked], form: str) -> None:
    node, name = nodes[form], FORMS[form]
    found = {}
    for written in SAID[form]:
        seen = look(node, ((name, written),))
        found[written] = (seen.place, seen.address)
    assert found == SAID[form]


@pytest.mark.parametrize("form", FORMS)
def test_only_the_header_of_the_settings_is_read(nodes: Mapping[str, Attacked], form: str) -> None:
    others = [
        (name, element(CAMPUS, other))
        for other, name in {**FORMS, "client": "X-Client-IP", "true": "True-Client-IP"}.items()
        if other != form
    ]
    mine = (FORMS[form], element(OFF_CAMPUS, form))
    assert look(nodes[form], tuple(others)).place == "unknown"
    assert look(nodes[form], (*others, mine)).place == "outside"
    assert look(nodes[form], (mine, *others)).place == "outside"


@pytest.mark.parametrize("form", FORMS)
def test_a_peer_that_is_no_proxy_of_ours_says_nothing(
    nodes: Mapping[str, Attacked], form: str
) -> None:
    said = ((FORMS[form], element(CAMPUS, form)),)
    assert look(nodes[form], said).place == "campus"
    assert look(nodes[form], said, source="127.0.0.2").place == "unknown"


# -- without a proxy ---------------------------------------------------------------------------


@pytest.mark.parametrize(("peer", "place"), [(CAMPUS_PEER, "campus"), (OUTSIDE_PEER, "outside")])
def test_without_a_proxy_the_peer_is_the_client_whatever_it_writes(
    nodes: Mapping[str, Attacked], peer: str, place: str
) -> None:
    for written in JUNK.values():
        said = tuple((name, written) for name in FORMS.values())
        seen = look(nodes["bare"], said, source=peer)
        assert (seen.place, seen.address) == (place, peer)


# -- behind the nginx site that we ship --------------------------------------------------------


@pytest.fixture(scope="module")
def front(site: Attacked) -> Iterator[Front]:
    """It sets the header anew and passes nothing else on."""
    with nginx(free_port(), idp=(HOST, site.idp.port), services={}) as started:
        yield started


def through(front: Front, peer: str, headers: Headers) -> SeenAt:
    trust = ssl.create_default_context(cafile=str(front.authority.pair.certificate))
    connection = HTTPSConnection("127.0.0.1", front.port, timeout=30, context=trust)
    # The name that the certificate holds, at our own address.
    trust.check_hostname = False
    try:
        connection.putrequest("GET", "/network", skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", origin(HOST, front.port).removeprefix("https://"))
        connection.putheader(ADDRESS_HEADER, peer)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text[:500]
        return read(text)
    finally:
        connection.close()


@pytest.mark.parametrize("peer", PLACES)
def test_behind_nginx_the_peer_is_the_client_whatever_it_writes(front: Front, peer: str) -> None:
    for written in JUNK.values():
        said = tuple((name, written) for name in FORMS.values())
        seen = through(front, peer, (*said, ("X_Forwarded_For", CAMPUS)))
        assert (seen.place, seen.address) == (PLACES[peer], peer)
    many = through(front, peer, (("X-Forwarded-For", ", ".join([CAMPUS] * 100)),))
    assert (many.place, many.address) == (PLACES[peer], peer)


# -- decisions, and their record ---------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_sign_in_is_judged_by_what_is_seen(
    nodes: Mapping[str, Attacked], somebody: Person, form: str
) -> None:
    node, name = nodes[form], FORMS[form]
    skipped, answer = after_password(node, somebody, ((name, element(CAMPUS, form)),))
    assert (skipped, "SAMLResponse" in answer) == ("saml.post", True)
    for lines in (
        ((name, element(OFF_CAMPUS, form)),),
        ((name, element(CAMPUS, form)), (name, element(OFF_CAMPUS, form))),
        ((name, element(CAMPUS, form)), (name, element(PROXY, form)), (name, "_hidden")),
        ((name, element(PROXY, form)),),
    ):
        mark, text = after_password(node, somebody, lines)
        assert (mark, "SAMLResponse" in text) == ("signin.challenge", False), lines


def test_without_a_proxy_a_sign_in_is_judged_by_the_peer(
    nodes: Mapping[str, Attacked], somebody: Person
) -> None:
    said = tuple((name, element(CAMPUS, form)) for form, name in FORMS.items())
    mark, _ = after_password(nodes["bare"], somebody, said, source=OUTSIDE_PEER)
    assert mark == "signin.challenge"
    mark, _ = after_password(nodes["bare"], somebody, said, source=CAMPUS_PEER)
    assert mark == "saml.post"


def test_the_walk_is_on_record_under_the_code_that_the_visitor_reads_out(
    nodes: Mapping[str, Attacked],
) -> None:
    node = nodes["list"]
    seen = look(node, (("X-Forwarded-For", f"{CAMPUS}, {OFF_CAMPUS}, {PROXY}"),))
    assert seen.reference is not None
    (line,) = recorded(node, seen.reference)
    assert line["event"] == "network.shown"
    assert line["zone"] == "outside"
    assert line["address"] == OFF_CAMPUS
    assert line["walk"] == [
        "127.0.0.1 peer, listed proxy",
        f"{PROXY} listed proxy",
        f"{OFF_CAMPUS} client",
    ]
    unreadable = look(node, (("X-Forwarded-For", f"{CAMPUS}, _hidden"),))
    assert unreadable.reference is not None
    (line,) = recorded(node, unreadable.reference)
    assert line["address"] is None
    assert line["walk"][-1] == "'_hidden' unreadable"


def test_the_walk_of_a_decision_is_on_record(
    nodes: Mapping[str, Attacked], somebody: Person
) -> None:
    node = nodes["list"]
    said = (("X-Forwarded-For", f"{CAMPUS}, {OFF_CAMPUS}, {PROXY}"),)
    _, text = after_password(node, somebody, said)
    reference = re.search(r"data-reference>([^<]+)<", text)
    assert reference is not None
    walks = [line["walk"] for line in recorded(node, reference[1])]
    assert [f"{PROXY} listed proxy", f"{OFF_CAMPUS} client"] in [walk[1:] for walk in walks if walk]


def recorded(node: Attacked, reference: str) -> list[dict[str, Any]]:
    """What the desk reads under a code."""
    lines = node.idp.must("audit", "show", reference, "--json")
    found: list[dict[str, Any]] = json.loads(lines)
    return found


# -- when a part is away -----------------------------------------------------------------------


def test_while_the_store_is_away_the_page_is_there_without_a_code(site: Attacked) -> None:
    said = (("X-Forwarded-For", CAMPUS),)
    with contextlib.ExitStack() as stack:
        with valkey.running(Kind.REDIS) as store:
            node = stack.enter_context(another_setting(site, {"store": {"url": store.url}}))
            assert look(node, said).reference is not None
        # Past the second in which nobody asks what is in force, then by each of its workers:
        # which one answers is the kernel's choice.
        time.sleep(1.5)
        for _ in range(8):
            seen = look(node, said)
            assert (seen.place, seen.address, seen.reference) == ("campus", CAMPUS, None)


def test_a_node_that_never_met_its_store_says_no_place(site: Attacked, tmp_path: Path) -> None:
    """A policy may have been activated that asks on campus: the settings' file may be laxer."""
    away = {"store": {"url": f"unix://{tmp_path}/nothing.sock"}}
    with another_setting(site, away) as node:
        status, _, text = raw(node, "GET", "/network", (("X-Forwarded-For", CAMPUS),))
        assert status == 503
        assert "data-place" not in text


def test_too_many_looks_have_no_code_and_are_shown_all_the_same(
    site: Attacked,
) -> None:
    with another_setting(site, {"limits": {"transactions_per_minute": 3}}) as node:
        said = (("X-Forwarded-For", "203.0.113.77"),)
        seen = [look(node, said) for _ in range(5)]
        assert [one.reference is not None for one in seen] == [True] * 3 + [False] * 2
        assert {one.place for one in seen} == {"outside"}
        other = look(node, (("X-Forwarded-For", "203.0.113.78"),))
        assert other.reference is not None
        assert replace(other, reference=None, page="") == replace(
            seen[-1], address="203.0.113.78", page=""
        )


# -- the other protocol ------------------------------------------------------------------------


def test_a_site_with_names_for_each_protocol_leads_to_the_one_that_was_not_used(
    site: Attacked,
) -> None:
    hosts = {"v4": "https://ipv4.univ.test", "v6": "https://ipv6.univ.test:8443/"}
    with another_setting(site, {"site": {"network_hosts": hosts}}) as node:
        by_4 = look(node, (("X-Forwarded-For", CAMPUS),)).page
        by_6 = look(node, (("X-Forwarded-For", "2001:db8:1::10"),)).page
        unreadable = look(node, (("X-Forwarded-For", "_hidden"),)).page
    to_4, to_6 = "https://ipv4.univ.test/network?lang=", "https://ipv6.univ.test:8443/network?lang="
    assert [one in by_4 for one in (to_4, to_6)] == [False, True]
    assert [one in by_6 for one in (to_4, to_6)] == [True, False]
    assert [one in unreadable for one in (to_4, to_6)] == [True, True]
    assert to_6 not in look(site, (("X-Forwarded-For", CAMPUS),)).page
