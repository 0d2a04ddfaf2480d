"""Lays out the demo's folder: settings, keys, people, and the service registered."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from idp_mfa.assets import folder as assets_folder
from idp_mfa.audit_log.address_keys import create_address_keys
from idp_mfa.compose import House, NotComposed, compose
from idp_mfa.demo import identity_provider, service_pages
from idp_mfa.demo.day import Day
from idp_mfa.demo.people import PEOPLE, Card, cards, settle, stock_tokens
from idp_mfa.demo.service_provider import ServiceOptions, metadata
from idp_mfa.directory.sqlite import SqliteDirectory
from idp_mfa.factors.totp import Totp
from idp_mfa.key_folder import KeyFolder, create_secret
from idp_mfa.keys import KeyType
from idp_mfa.model import Service, ServiceId
from idp_mfa.saml.metadata import metadata as metadata_of
from idp_mfa.sealing_keys import create_ring
from idp_mfa.services import NotAdded
from idp_mfa.settings import Settings, load
from idp_mfa.yaml_document import Problems

SETTINGS = "idp_mfa.yaml"
_ENTITY_ID = "urn:x-idp-mfa:demo"
_SERVICE_ID = f"{_ENTITY_ID}-service"
_INTERNAL = "internal"
"""The tag to which conf/release.yaml gives names and addresses."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What a folder's demo is made of."""

    house: House
    directory: SqliteDirectory
    totp: Totp


@dataclass(frozen=True, slots=True)
class NoDemo:
    """The folder holds none."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the children have to be told, and who may sign in."""

    environment: dict[str, str]
    cards: tuple[Card, ...]


def opened(folder: Path) -> Demo | NoDemo:
    """The demo that was started here before; it need not be running."""
    path = folder / SETTINGS
    if not path.is_file():
        return NoDemo()
    return _demo(_settings(path))


def prepare(folder: Path, *, base: str, service: str | None, store: str) -> Prepared:
    """Everything that the children will read; the store runs already.

    ``base`` and ``service`` are the two addresses, ``store`` is the store's URL. What an earlier
    run left stays.
    """
    path = folder / SETTINGS
    path.write_text(_settings_text(base, store), encoding="utf-8")
    settings = _settings(path)
    is_new = settings.audit.file is not None and not settings.audit.file.exists()
    _make_keys(settings, compose(settings))
    demo = _demo(settings)
    house = demo.house
    # The store stops and starts with the demo; nobody waits a minute for it.
    house.store.trust_as_whole()
    settle(demo.directory, house.factors, clock=house.clock, randomness=house.randomness)
    if house.token_stock is not None:
        stock_tokens(demo.directory, house.token_stock, house.randomness)
    if is_new:
        _live_through_a_day(demo)
    environment = {
        identity_provider.SETTINGS: str(path),
        identity_provider.SERVICE: service or "",
    }
    if service is not None:
        options = folder / "service/options.json"
        _register(house, service, options)
        environment[service_pages.OPTIONS] = str(options)
    return Prepared(environment, cards(demo.directory, demo.totp))


def _settings_text(base: str, store: str) -> str:
    conf = assets_folder("conf")
    values = {
        "base_url": base,
        "contact_url": f"{base}/",
        "entity_id": _ENTITY_ID,
        "policy": str(assets_folder("policies") / "default.yaml"),
        "release": str(conf / "release.yaml"),
        "store_url": store,
    }
    # JSON strings are YAML strings, whatever a path holds.
    quoted = {name: json.dumps(value) for name, value in values.items()}
    return Template((conf / "demo.yaml").read_text(encoding="utf-8")).substitute(quoted)


def _settings(path: Path) -> Settings:
    found = load(path)
    if isinstance(found, Problems):
        raise NotComposed(found)
    return found


def _demo(settings: Settings) -> Demo:
    house = compose(settings)
    if not isinstance(house.directory, SqliteDirectory):
        raise TypeError("the demo's settings name another directory")
    return Demo(house, house.directory, Totp(settings.totp.issuer))


def _live_through_a_day(demo: Demo) -> None:
    house = demo.house
    name = {"en": "Demo service", "ja": "デモサービス"}
    service = Service(ServiceId(_SERVICE_ID), name, "localhost", tags=frozenset({_INTERNAL}))
    kinds = {name: factor.may_show for name, factor in house.factors.items()}
    day = Day(house.policy(), demo.directory.find, service, kinds, house.randomness)
    for record in day.records(house.clock()):
        house.audit.record(record)


def _make_keys(settings: Settings, house: House) -> None:
    if not house.signing_keys.rows():
        house.signing_keys.create(KeyType.RSA_2048, "localhost")
    create_ring(settings.keys.sealing, "demo", house.randomness)
    create_secret(settings.keys.pairwise_salt, house.randomness)
    create_secret(settings.keys.limits, house.randomness)
    create_address_keys(settings.keys.addresses, house.clock().date(), house.randomness)


def _register(house: House, base: str, path: Path) -> None:
    """The service's own key and options, our metadata for it, and its metadata for us."""
    keys = KeyFolder(path.parent / "keys", house.clock, house.randomness)
    if not keys.rows():
        keys.create(KeyType.RSA_2048, "localhost")
    ours = path.parent / "identity-provider.xml"
    ours.write_bytes(metadata_of(house.identity_provider, house.signing_keys.keys().published))
    options = ServiceOptions(
        base=base,
        entity_id=_SERVICE_ID,
        identity_provider_metadata=str(ours),
        key_and_certificate=str(path.parent / "keys" / f"{keys.keys().active.id}.pem"),
        people=tuple(person.login for person in PEOPLE),
    )
    options.write(path)
    answer = house.services.add(
        metadata(options),
        lambda was: replace(was, tags=frozenset({_INTERNAL}), start_url=f"{base}/"),
        actor="demo",
    )
    if isinstance(answer, NotAdded):
        raise TypeError(f"the demo service was not taken: {answer.problems}")
