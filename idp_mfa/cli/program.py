"""The ``idp-mfa`` program: which file configures it, and its command groups."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from idp_mfa.cli.audit import audit
from idp_mfa.cli.check import check
from idp_mfa.cli.house import Program, fail
from idp_mfa.cli.key import key
from idp_mfa.cli.metadata import metadata
from idp_mfa.cli.policy import policy
from idp_mfa.cli.policy_diff import diff
from idp_mfa.cli.policy_prove import prove
from idp_mfa.cli.policy_replay import replay
from idp_mfa.cli.policy_versions import activate, history, rollback, shadow
from idp_mfa.cli.serve import serve
from idp_mfa.cli.sp import sp
from idp_mfa.cli.token import token
from idp_mfa.cli.user import user
from idp_mfa.cli.user_import import import_
from idp_mfa.cli.user_lists import list_
from idp_mfa.cli.user_token import resync
from idp_mfa.compose import NotComposed
from idp_mfa.ports import Unavailable


class Commands(click.Group):
    """The demo comes when it is named: its service's library takes longer to load than all else."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Their names, for the help."""
        return sorted([*super().list_commands(context), "demo"])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name == "demo":
            from idp_mfa.cli.demo import demo  # noqa: PLC0415 - not for the other commands

            return demo
        return super().get_command(context, name)


@click.group(cls=Commands)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="IDP_MFA_CONFIG",
    default=Path("conf/idp_mfa.yaml"),
    show_default=True,
    help="The settings file.",
)
@click.version_option(package_name="idp_mfa", prog_name="idp-mfa")
@click.pass_context
def program(context: click.Context, config: Path) -> None:
    """The second-factor step of a university's single sign-on."""
    context.obj = Program(config)


for command in (prove, diff, replay, activate, rollback, history, shadow):
    policy.add_command(command)
for command in (import_, list_, resync):
    user.add_command(command)
for command in (serve, check, policy, sp, user, token, key, audit, metadata):
    program.add_command(command)


def main() -> None:
    """Run it; a part that is not there is told in one line."""
    try:
        program.main(prog_name="idp-mfa")
    except Unavailable as error:
        click.echo(f"idp-mfa: cannot reach the {error.part}: {error.why}", err=True)
        sys.exit(1)
    except NotComposed as error:
        fail(str(error.problems))
