"""What every command starts from: the settings file, read when a command needs it."""

from __future__ import annotations

import getpass
import json
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import click

from idp_mfa.audit import AuditEvent, AuditRecord, new_reference
from idp_mfa.compose import House, NotComposed, compose
from idp_mfa.settings import Settings, load
from idp_mfa.token_stock import TokenStock
from idp_mfa.yaml_document import Problems

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
reason = click.option("--reason", required=True, help="Why; it stands in the audit record.")


class Program:
    """The composed parts of one run of the command."""

    def __init__(self, config: Path) -> None:
        self.config = config

    @cached_property
    def settings(self) -> Settings:
        """The settings; problems end the command with exit code 2."""
        found = load(self.config)
        if isinstance(found, Problems):
            fail(str(found))
        return found

    @cached_property
    def house(self) -> House:
        """The parts, wired."""
        try:
            return compose(self.settings)
        except NotComposed as error:
            fail(str(error.problems))

    def must_have_policy(self) -> None:
        """One that can be used; problems end the command with exit code 2."""
        try:
            self.house.look_at_policy()
        except NotComposed as error:
            fail(str(error.problems))

    @property
    def actor(self) -> str:
        """Who runs the command, for the record: the account behind sudo, if there is one."""
        return os.environ.get("SUDO_USER") or getpass.getuser()

    def recorded(self, event: AuditEvent, **detail: str) -> None:
        """Put on record what was done here, and by whom."""
        house = self.house
        reference = new_reference(house.randomness)
        house.audit.record(
            AuditRecord(house.clock(), event, reference, actor=self.actor, detail=detail)
        )


def fail(message: str) -> NoReturn:
    """Wrong use or configuration."""
    click.echo(message, err=True)
    sys.exit(2)


def no(message: str) -> NoReturn:
    """The answer is no."""
    click.echo(message, err=True)
    sys.exit(1)


def echo_json(value: object) -> None:
    """A reading command's answer for programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def stock_of(program: Program) -> TokenStock:
    """The stock, or the end of the command."""
    found = program.house.token_stock
    if found is None:
        fail("the settings name no desk.token_stock: the login of an entry that holds the tokens")
    return found
