"""``idp-mfa policy``: whether a policy is well written, passes its tests, and why it decides."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import click

from idp_mfa.cli import policy_recorded
from idp_mfa.cli.house import Program, as_json, echo_json, fail, no
from idp_mfa.cli.policy_check import check
from idp_mfa.cli.policy_files import at_option, file_argument, read
from idp_mfa.model import PASSWORD, Acr, Device, FactorName, Page, ServiceId
from idp_mfa.policy.assurance import SHIPPED_FACTORS
from idp_mfa.policy.case_reading import shown
from idp_mfa.policy.cases import Given, Standing, Tried, facts_given, outcome_of, told, try_all
from idp_mfa.policy.countries import COUNTRIES
from idp_mfa.policy.decide import decide
from idp_mfa.policy.explain import explain as explain_in_words
from idp_mfa.policy.explain import intent
from idp_mfa.policy.load import Factors, Untried, load_untried
from idp_mfa.policy.model import UNKNOWN, Address, Decided, Matched, Policy
from idp_mfa.policy.way_in import best_class
from idp_mfa.yaml_document import Problems


@click.group()
def policy() -> None:
    """Check, test and explain a policy."""


policy.add_command(check)


@policy.command()
@click.argument("file", type=file_argument, required=False)
@as_json
@click.pass_obj
def test(program: Program, file: Path | None, as_json: bool) -> None:
    """Try the tests of a policy; without FILE, of the one in force."""
    found = _read_in_force(program) if file is None else read(file)
    if isinstance(found, Problems):
        no(str(found))
    tried = _tried(found)
    if as_json:
        echo_json([_test(one) for one in tried])
    else:
        for one in tried:
            click.echo(_row(one))
        failed = sum(1 for one in tried if one.wrong is not None)
        click.echo(f"{found.policy.source}: {len(tried)} tests, {failed} failed")
    sys.exit(1 if any(one.wrong is not None for one in tried) else 0)


@policy.command()
@click.option("--policy", "file", type=file_argument, help="Default: the one in force.")
@click.option("--user", "login", help="Whose groups and factors the directory tells.")
@click.option("--group", "groups", multiple=True, help="Without --user: a group.")
@click.option("--enrolled", "enrolled", multiple=True, help="Without --user: a factor.")
@click.option("--attribute", "attributes", multiple=True, help="Without --user: `title=staff`.")
@click.option(
    "--country", type=click.Choice(sorted(COUNTRIES)), help="Where --ip is, such as `JP`."
)
@click.option("--device", type=click.Choice([one.value for one in Device]), default="unknown")
@click.option("--reference", help="A sign-in of the record: why it was decided as it was.")
@click.option("--ip", "address", help="The client's address, or `unknown`.")
@click.option("--service", "service", default="", help="An entityID or client id.")
@click.option("--tag", "tags", multiple=True, help="A tag of the service.")
@click.option("--acr", "asked", multiple=True, help="A class that is asked, best first.")
@click.option(
    "--page", type=click.Choice([page.value for page in Page]), default=Page.SIGN_IN.value
)
@click.option("--verified", multiple=True, help="Such as `totp:3m`; default: `password`.")
@at_option
@as_json
@click.pass_obj
def explain(
    program: Program,
    *,
    file: Path | None,
    login: str | None,
    groups: Sequence[str],
    enrolled: Sequence[str],
    attributes: Sequence[str],
    country: str | None,
    device: str,
    reference: str | None,
    address: str | None,
    service: str,
    tags: Sequence[str],
    asked: Sequence[str],
    page: str,
    verified: Sequence[str],
    at: datetime,
    as_json: bool,
) -> None:
    """Say rule by rule and condition by condition what a policy decides, and why."""
    if reference is not None:
        where = "in force" if file is None else f"of {file}"
        tried = _of_record(program, file)
        policy_recorded.tell(program, reference, tried, where, as_json=as_json)
        return
    if address is None:
        fail("say --ip, or --reference for a sign-in of the record")
    if login is not None and (groups or enrolled or attributes):
        fail("--user tells of a person: leave --group, --enrolled and --attribute out")
    found = _read_in_force(program) if file is None else read(file)
    if isinstance(found, Problems):
        fail(str(found))
    given = Given(
        address=_address(address),
        page=Page(page),
        service=ServiceId(service),
        service_tags=frozenset(tags),
        groups=frozenset(groups),
        attributes=_attributes(attributes),
        country=country,
        device=Device(device),
        asked=tuple(map(Acr, asked)),
        enrolled=frozenset(_factor(name, found.factors) for name in enrolled),
        verified=tuple(_shown(text, found.factors) for text in verified or (PASSWORD,)),
    )
    if login is not None:
        given = _of_account(program, login, given, found.factors, at)
    facts = facts_given(found.policy, given, found.factors, at)
    decided = decide(found.policy, facts)
    best = best_class(found.policy, facts, found.factors)
    if as_json:
        echo_json({**_explained(decided), "reachable": best})
        return
    for line in explain_in_words(decided):
        click.echo(line)
    click.echo(f"the class reachable from here: {best or 'none'}")


# -- reading ---------------------------------------------------------------------------------


def _read_in_force(program: Program) -> Untried | Problems:
    found = program.house.policy_in_force.text()
    if isinstance(found, Problems):
        return found
    return load_untried(found.text, found.path, SHIPPED_FACTORS)


def _of_record(program: Program, file: Path | None) -> Policy:
    if file is None:
        return program.house.policy()
    found = read(file)
    if isinstance(found, Problems):
        fail(str(found))
    return found.policy


def _tried(untried: Untried) -> tuple[Tried, ...]:
    return try_all(untried.policy, untried.cases, untried.factors)


def _address(text: str) -> Address | None:
    try:
        return None if text == UNKNOWN else ip_address(text)
    except ValueError:
        fail(f"--ip {text}: must be an IP address, or `unknown`")


def _attributes(written: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """``title=staff``, once for each value; ``title=`` is one without a value."""
    found: dict[str, tuple[str, ...]] = {}
    for one in written:
        name, equals, value = one.partition("=")
        if not name or not equals:
            fail(f"--attribute {one}: must be such as `title=staff`")
        found[name] = (*found.get(name, ()), *((value,) if value else ()))
    return found


def _factor(name: str, factors: Factors) -> FactorName:
    factor = FactorName(name)
    if factor not in factors:
        fail(f"{name} is no factor; known are {', '.join(sorted(factors))}")
    return factor


def _shown(text: str, factors: Factors) -> tuple[FactorName, timedelta]:
    done = shown(text)
    if done is None:
        fail(f"--verified {text}: must be such as `password` or `totp:3m`")
    if done[0] != PASSWORD:
        _factor(done[0], factors)
    return done


def _of_account(
    program: Program, login: str, given: Given, factors: Factors, at: datetime
) -> Given:
    """The same request, made by a person of the directory."""
    account = program.house.directory.find(login)
    if account is None:
        no(f"the directory has no {login}")
    credentials = account.credentials
    usable = [one for one in credentials.active if one.factor in factors]
    standing = Standing.CLEAR
    if credentials.unreadable:
        standing = Standing.UNREADABLE
    elif not usable and not credentials.has_none:
        standing = Standing.UNUSABLE
    return replace(
        given,
        groups=account.groups,
        attributes=account.attributes,
        enrolled=frozenset(one.factor for one in usable),
        bound={one.factor: (one.bound_by, at - one.bound_at) for one in usable},
        standing=standing,
    )


# -- telling ---------------------------------------------------------------------------------


def _row(tried: Tried) -> str:
    name = tried.case.name
    return f"ok      {name}" if tried.wrong is None else f"FAILED  {name}: {tried.wrong}"


def _test(tried: Tried) -> dict[str, object]:
    return {
        "name": tried.case.name,
        "line": tried.case.place.line,
        "ok": tried.wrong is None,
        "came": told(tried.decided.decision),
        "rule": tried.decided.decision.because.rule,
    }


def _explained(decided: Decided) -> dict[str, object]:
    because = decided.decision.because
    return {
        "outcome": outcome_of(decided).value,
        "told": told(decided.decision),
        "rule": because.rule,
        "zone": because.zone,
        "address": because.address,
        "cause": because.cause.value,
        "steps": [
            {
                "rule": step.rule.name,
                "line": step.rule.line,
                "then": intent(step.rule.then),
                "effect": step.effect.value,
                "matched": _matched(step.matched),
            }
            for step in decided.steps
        ],
    }


def _matched(matched: Matched) -> dict[str, object]:
    return {
        "condition": matched.condition,
        "wanted": matched.wanted,
        "found": matched.found,
        "truth": matched.truth.value,
        "parts": [_matched(part) for part in matched.parts],
    }
