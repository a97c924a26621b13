"""`mlufleet verdict`: whether a host is ready, as it says itself."""

from __future__ import annotations

import sys
from typing import Any

import click
from typing_extensions import override

from fleet.errors import ExitStatus, Failure, InvalidInput
from fleet.language import _
from mlufleet.cli.options import DATA_OPTION
from mlufleet.cli.translated_command import TranslatedCommand


class VerdictCommand(TranslatedCommand):
    """A command of which no error has an exit status that would be a verdict on the host."""

    @override
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            error.show()
            sys.exit(ExitStatus.INVALID)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (InvalidInput, click.ClickException):
            raise
        except (Exception, KeyboardInterrupt) as error:
            from mlufleet.cli import host_verdict

            failure = Failure("INTERNAL", f"{type(error).__name__}: {error}")
            found = host_verdict.describe_unknown(failure)
            click.echo(found.line)
            sys.exit(found.status)


@click.command(cls=VerdictCommand)
@click.argument("inventory", required=False, type=click.Path())
@click.argument("host", required=False)
@click.option("--local", is_flag=True, help="Of this machine, without an inventory.")
@DATA_OPTION
def verdict(inventory: str | None, host: str | None, local: bool, data: tuple[str, ...]) -> None:
    """Say in one line whether HOST of INVENTORY is ready.

    Runs the script that a deployment has placed on the host, /var/lib/mlufleet/verdict.sh, which
    Slurm or cron can run there as well: it needs no connection and ends within two seconds. What
    it could not see is unknown, and never ready.

    Exit status: 0 ready, 1 degraded, 2 broken, 3 unknown, also if the host cannot be reached or
    the input is invalid.

    \b
    Examples:
      mlufleet verdict inventories/fleet.py mlu01
      mlufleet verdict --local
    """
    if local == bool(inventory) or bool(inventory) != bool(host):
        raise InvalidInput(_("give either INVENTORY and HOST, or --local"))
    from mlufleet.cli import host_verdict

    found = (
        host_verdict.ask_here() if local else host_verdict.ask_host(str(inventory), str(host), data)
    )
    click.echo(found.line)
    sys.exit(found.status)
