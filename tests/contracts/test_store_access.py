"""What a server must be to hold our state, and how we come to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from idp_mfa.ports import Bucket, Unavailable, Window
from idp_mfa.store.options import RedisOptions
from idp_mfa.store.redis import RedisAuditWindow, RedisServer, RedisStore
from tests.contracts.store_acts import (
    MINUTE,
    every_verb,
    refused,
    reserved,
)
from tests.servers import certificates, foreground, valkey
from tests.servers.valkey import Kind, StoreServer

# -- what a server must be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"]
)
def test_a_server_that_evicts_is_refused(connected: RedisServer, policy: str) -> None:
    connected.command("CONFIG", "SET", "maxmemory-policy", policy)
    try:
        refused(connected.check_policy, f"evicts keys .*{policy}.* set noeviction")
    finally:
        connected.command("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_a_fit_server_says_what_it_is(server: StoreServer, connected: RedisServer) -> None:
    connected.command("CONFIG", "SET", "maxmemory", 2**30)
    facts = connected.check_policy()
    connected.command("CONFIG", "SET", "maxmemory", 0)
    assert facts.name == server.kind.value
    assert re.fullmatch(r"\d+\.\d+\.\d+", facts.version)
    assert facts.memory_limit == 2**30
    assert 0 < facts.memory_used < 2**30


def test_a_cluster_is_refused() -> None:
    with valkey.running(
        Kind.REDIS, ["cluster-enabled yes", f"cluster-port {foreground.free_port()}"]
    ) as server:
        connected = RedisServer(server.options())
        refused(connected.check_policy, "is a cluster")
        refused(RedisStore(connected).ping, "is a cluster")


# -- who we are to it --------------------------------------------------------------------------

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "redis.md"


def documented_user(password: str) -> str:
    """The ACL line that the docs tell an operator to write."""
    (line,) = re.findall(r"^user idp_mfa .*$", HOWTO.read_text(), re.MULTILINE)
    assert ">PASSWORD" in line
    return str(line).replace(">PASSWORD", f">{password}")


@pytest.fixture(params=list(Kind), ids=lambda kind: kind.value)
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreServer]:
    (tmp_path / "users.acl").write_text(f"user default off\n{documented_user('secret-one')}\n")
    with valkey.running(request.param, [f"aclfile {tmp_path / 'users.acl'}"]) as server:
        yield server


def test_the_documented_user_may_do_all_that_is_needed_and_no_more(
    guarded: StoreServer, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("secret-one\n")
    connected = RedisServer(replace(guarded.options(), username="idp_mfa", password_file=password))
    store = RedisStore(connected)
    connected.check_policy()
    store.trust_as_whole()
    store.now()
    for _ in range(2):
        for act in (*every_verb(store), lambda: store.get("a")):
            act()
    for _ in range(2):
        store.raise_to("n", 1, MINUTE)
        store.raise_to("s", 1, MINUTE, step=MINUTE)
        store.refund(reserved(store.reserve((Window("x", 9, MINUTE), Bucket("y", 9, MINUTE)))))
    connected.command("SET", connected.key("for ever"), 1)
    store.reserve((Window("for ever", 1, MINUTE),))
    window = RedisAuditWindow(connected, 10, MINUTE)
    window.add("line", "REFERENC")
    assert list(window.story("REFERENC")) == list(window.recent(5)) == ["line"]
    for forbidden in (
        ("CONFIG", "GET", "*"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("ACL", "LIST"),
        ("SHUTDOWN",),
        ("MONITOR",),
        ("GET", "other:secret"),
    ):
        refused(lambda forbidden=forbidden: connected.command(*forbidden), "does not allow")


def test_a_wrong_password_is_a_reason_without_the_password(
    guarded: StoreServer, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("secret-two")
    options = replace(guarded.options(), username="idp_mfa", password_file=password)
    store = RedisStore(RedisServer(options))
    refused(store.ping, "refuses our user or password")
    refused(RedisStore(RedisServer(guarded.options())).ping, "asks for a user and password")
    password.write_text("secret-one")
    store.ping()
    assert "secret" not in repr(options)


def test_a_missing_password_file_is_a_reason_and_heals(
    guarded: StoreServer, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    store = RedisStore(
        RedisServer(replace(guarded.options(), username="idp_mfa", password_file=password))
    )
    for _ in range(3):
        refused(store.ping, "password file cannot be read")
    password.write_text("secret-one")
    store.ping()


def test_one_password_for_all_works_too(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret-one\n")
    with valkey.running(Kind.REDIS, ["requirepass secret-one"]) as server:
        RedisStore(RedisServer(replace(server.options(), password_file=password))).ping()


def test_databases_are_apart(server: StoreServer) -> None:
    first = RedisStore(RedisServer(RedisOptions(f"{server.url}?db=1", prefix="d:")))
    second = RedisStore(RedisServer(RedisOptions(f"{server.tcp_url}/2", prefix="d:")))
    again = RedisStore(RedisServer(RedisOptions(f"{server.tcp_url}/1", prefix="d:")))
    first.put("a", b"one", MINUTE)
    assert second.get("a") is None
    assert again.get("a") == b"one"


# -- TLS ---------------------------------------------------------------------------------------


def test_tls_is_verified_and_never_falls_back(tmp_path: Path) -> None:
    ours = certificates.authority(tmp_path)
    pair = certificates.issued(tmp_path, ours, ("localhost",))
    (tmp_path / "other").mkdir()
    other = certificates.authority(tmp_path / "other")
    port = foreground.free_port()
    lines = [
        f"tls-port {port}",
        f"tls-cert-file {pair.certificate}",
        f"tls-key-file {pair.key}",
        f"tls-ca-cert-file {ours.pair.certificate}",
    ]
    options = RedisOptions(f"rediss://localhost:{port}", ca_file=ours.pair.certificate)
    with valkey.running(Kind.REDIS, [*lines, "tls-auth-clients no"]):
        RedisStore(RedisServer(options)).ping()
        for wrong in (
            replace(options, ca_file=other.pair.certificate),
            replace(options, ca_file=None),
            replace(options, url=f"rediss://127.0.0.1:{port}"),
        ):
            refused(RedisStore(RedisServer(wrong)).ping, "certificate that does not verify")
        in_clear = RedisOptions(f"redis://localhost:{port}")
        refused(RedisStore(RedisServer(in_clear)).ping, "store")
        missing = replace(options, ca_file=tmp_path / "missing.pem")
        refused(RedisStore(RedisServer(missing)).ping, "No such file")
    with valkey.running(Kind.REDIS, lines) as server:
        with_certificate = replace(options, certificate_file=pair.certificate, key_file=pair.key)
        RedisStore(RedisServer(with_certificate)).ping()
        with pytest.raises(Unavailable):
            RedisStore(RedisServer(options)).ping()
        over_tls = RedisOptions(f"rediss://localhost:{server.port}", ca_file=options.ca_file)
        refused(RedisStore(RedisServer(over_tls)).ping, "store")


# -- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:secret@localhost",
        "redis://:secret@localhost/0",
        "http://localhost",
        "localhost:6379",
        "unix://relative/path",
        "redis:///0",
        "redis://localhost/zero",
        "",
    ],
)
def test_a_url_that_means_nothing_or_holds_a_password_is_refused_without_repeating_it(
    url: str,
) -> None:
    with pytest.raises(ValueError, match="the store's") as caught:
        RedisOptions(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "in_clear"),
    [
        ("redis://localhost", False),
        ("redis://127.0.0.1:7000", False),
        ("redis://[::1]", False),
        ("unix:///run/redis.sock", False),
        ("rediss://store.example", False),
        ("redis://store.example", True),
        ("redis://192.0.2.7", True),
    ],
)
def test_what_crosses_a_network_in_clear_is_known(url: str, in_clear: bool) -> None:
    assert RedisOptions(url).in_clear is in_clear
