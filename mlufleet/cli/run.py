"""`mlufleet run`: what a run did, from its journal."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from fleet.language import _
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import LIMIT_OPTION, WIDE_OPTION


def _complete_run(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from mlufleet.journal.journal import RUNS

    names = sorted((path.parent.name for path in RUNS.glob("2*/journal.jsonl")), reverse=True)
    return [CompletionItem(name) for name in ("latest", *names) if name.startswith(incomplete)]


RUN_ARGUMENT = click.argument("run", default="latest", shell_complete=_complete_run)


@click.group(cls=CommandGroup)
def run() -> None:
    """Show the status, report or drift of a run.

    Reads the run's journal in runs/, also while the run is at work and after it was killed.

    \b
    Examples:
      mlufleet run status
      mlufleet run report
      mlufleet run drift --limit rack1
    """


@run.command()
@RUN_ARGUMENT
@LIMIT_OPTION
def status(run: str, limit: tuple[str, ...]) -> None:
    """Show the progress of RUN (default: the latest run).

    \b
    Examples:
      mlufleet run status
      mlufleet run status --limit rack1
    """
    from mlufleet.rollout.status import status_lines

    for line in status_lines(run, limit):
        click.echo(line)


@run.command()
@RUN_ARGUMENT
@WIDE_OPTION
def report(run: str) -> None:
    """Print the report of RUN (default: the latest run).

    Also writes, into the run's folder, report.json, report.html (for people), junit.xml,
    metrics.prom (for the node exporter's textfile collector), and cards.csv and cards.json (one
    row for each card). Works for interrupted runs.

    \b
    Examples:
      mlufleet run report 20260314-091502-000004711
      mlufleet run report --wide | less -S
    """
    from mlufleet.journal.run_folders import find_run
    from mlufleet.report import derive, publish, terminal

    folder = find_run(run)
    try:
        found = derive.write_report(folder, newest=False)
        publish.write_exports(found, folder)
    except OSError as error:  # for example another user's run, or a full disk
        found = derive.derive_from_journal(folder)
        click.secho(
            _(
                "warning: {path}: report not written: {problem}",
                path=folder,
                problem=error.strerror,
            ),
            fg="yellow",
            err=True,
        )
    terminal.print_summary(found, folder, err=False)
    click.echo(_("page: {path}", path=folder / "report.html"), err=True)


@run.command()
@RUN_ARGUMENT
@LIMIT_OPTION
def drift(run: str, limit: tuple[str, ...]) -> None:
    """Show how each host differed from its release when RUN last probed it.

    Prints the pending changes by stage, from the journal. `mlufleet doctor` probes the hosts.

    \b
    Examples:
      mlufleet run drift
      mlufleet run drift --limit rack1
    """
    from mlufleet.rollout.status import drift_lines

    for line in drift_lines(run, limit):
        click.echo(line)
