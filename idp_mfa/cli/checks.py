"""What ``idp-mfa check`` looks at, and how each part says in words that it is well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp_mfa.cli.policy_standing import standing
from idp_mfa.compose import House
from idp_mfa.countries import CountryFile
from idp_mfa.policy.conditions import OneOf, leaves
from idp_mfa.policy.model import Policy
from idp_mfa.policy.subjects import COUNTRY
from idp_mfa.ports import Unavailable
from idp_mfa.site import READABLE, SiteOptions
from idp_mfa.store.options import RedisOptions
from idp_mfa.store.redis.server import ServerFacts

Look = Callable[[], "str | Notice"]

_STAGES = (
    (timedelta(days=7), "replace it now"),
    (timedelta(days=30), "publish the next key now (idp-mfa key rotate)"),
    (timedelta(days=60), "plan its successor (idp-mfa key rotate)"),
)


FULL_SOON = 0.7
"""Of the store's memory: a full one takes no writes, and nobody signs in."""


@dataclass(frozen=True, slots=True)
class Notice:
    """It works, and somebody should look at it soon."""

    says: str


def checks(house: House) -> Mapping[str, Look]:
    """Each part; ``Unavailable`` when it is not there."""
    return {
        "settings": lambda: house.settings.base_url,
        "contact": lambda: contact(house.settings.site),
        "colours": lambda: colours(house.settings.site),
        "policy": lambda: _policy(house),
        "sealing key": lambda: _sealing_key(house),
        "signing key": lambda: f"{house.signing_keys.keys().active.id} signs",
        "certificate": lambda: certificate(
            house.signing_keys.keys().active.public.not_after, house.clock()
        ),
        "directory": lambda: _answers(house.directory.ping),
        "store": lambda: _store(house),
        "clock": lambda: _clock(house),
        "audit": lambda: _answers(house.audit.ping),
        "addresses": lambda: _addresses(house),
        "countries": lambda: countries(house.countries, house.policy()),
        "mail": lambda: _mail(house),
        "services": lambda: f"{len(house.registry.current().by_id)} registered",
        "attributes": lambda: f"{len(house.release.rows)} release row(s)",
    }


def certificate(ends: datetime, now: datetime) -> str | Notice:
    """How long the certificate of the active key lasts.

    Signing goes on after its end, for services go by the key (SAML V2.0 Metadata Interoperability
    Profile 2.5.1); some look at the date all the same.
    """
    left = ends - now
    if left < timedelta(0):
        return Notice(f"ended on {ends:%Y-%m-%d}: services that look at the date refuse us")
    for stage, advice in _STAGES:
        if left <= stage:
            return Notice(f"ends on {ends:%Y-%m-%d}, in {left.days} days: {advice}")
    return f"ends on {ends:%Y-%m-%d}"


def contact(site: SiteOptions) -> str | Notice:
    """Whom the pages name when something went wrong."""
    return site.contact_url or Notice("pages name nobody to ask: set site.contact_url")


def colours(site: SiteOptions) -> str | Notice:
    """Whether the text on the institution's colour can be read (WCAG 2.2, 1.4.3)."""
    ratio = site.contrast
    if ratio is None:
        return Notice(f"site.brand {site.brand!r} is not written as #RRGGBB")
    if ratio < READABLE:
        return Notice(
            f"site.brand_ink on site.brand has a contrast of {ratio:.1f}:1, less than {READABLE}:1"
        )
    asks = site.factor_contrast
    if asks is None:
        return Notice(f"site.factor_brand {site.factor_brand!r} is not written as #RRGGBB")
    if asks < READABLE:
        return Notice(
            f"text on site.factor_brand has a contrast of {asks:.1f}:1, less than {READABLE}:1"
        )
    return f"{ratio:.1f}:1, and {asks:.1f}:1 where a factor is asked"


def store(facts: ServerFacts, options: RedisOptions) -> str | Notice:
    """What a store that can be used says, and what may become trouble."""
    trouble = []
    if options.in_clear:
        trouble.append("it is reached in clear over a network: use rediss:// or a socket")
    if facts.memory_limit and facts.memory_used >= FULL_SOON * facts.memory_limit:
        trouble.append(f"{facts.memory_used / facts.memory_limit:.0%} of its memory is used")
    name = f"{facts.name} {facts.version}"
    return Notice("; ".join((name, *trouble))) if trouble else f"{name}, nothing is evicted"


def _policy(house: House) -> str | Notice:
    found = standing(house)
    return Notice(found.says) if found.soon else found.says


def _sealing_key(house: House) -> str | Notice:
    house.sealing_keys.ping()
    ring = house.sealing_keys.current()
    if ring.next is not None:
        return Notice(f"{ring.active} is active; {ring.next} waits to be activated")
    if len(ring.keys) > 1:
        older = ", ".join(kid for kid in ring.keys if kid != ring.active)
        return Notice(f"{ring.active} is active; {older} waits to be retired")
    return f"{ring.active} is active"


def _addresses(house: House) -> str | Notice:
    oldest, due = house.address_keys.oldest, house.address_keys.due
    if oldest < due:
        return Notice(f"can be opened back to {oldest}, not only {due}: idp-mfa audit expire")
    return f"can be opened back to {oldest}"


def _answers(ping: Callable[[], None]) -> str:
    ping()
    return "answers"


def _store(house: House) -> str | Notice:
    facts = house.store_server.check_policy()
    house.store.ping()
    return store(facts, house.settings.store)


def countries(file: CountryFile | None, policy: Policy) -> str | Notice:
    """Whether countries can be told where the policy names them."""
    named = any(
        isinstance(one, OneOf) and one.subject is COUNTRY
        for rule in policy.rules
        for one in leaves(rule.when)
    )
    if file is None:
        return Notice("no file, and the policy names countries") if named else "no file"
    about = file.describe()
    return Notice(str(file.why_not)) if about is None else about


def _mail(house: House) -> str | Notice:
    if house.mailer is None:
        return Notice("no road is set: nothing is mailed, neither codes nor notices")
    house.mailer.ping()
    waiting = house.outbox.waiting()
    return f"answers; {waiting.letters} letter(s) wait"


def _clock(house: House) -> str:
    house.ping_clock()
    return "goes with the store's"


def told(look: Look) -> tuple[bool, str | Notice]:
    """Whether a part is there, and what it says."""
    try:
        return True, look()
    except Unavailable as error:
        return False, error.why
