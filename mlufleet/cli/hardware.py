"""`mlufleet hardware`: run the vendor's validation suite (CNVS), and record baselines for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.errors import ExitStatus, InvalidInput
from fleet.language import N_, _
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import INVENTORY_ARGUMENT, PASS_THROUGH, PYINFRA_OPTIONS_ARGUMENT

if TYPE_CHECKING:
    from fleet.vendor.validation_suite import SuiteTest
    from mlufleet.journal.events import ValidationRecord
    from mlufleet.report.model import Report

LEVEL_OPTION = click.option(
    "--level",
    type=click.IntRange(3, 4),
    default=3,
    show_default=True,
    help="Level 4 adds stress, power and performance tests to level 3.",
)
DESTRUCTIVE_OPTION = click.option(
    "--destructive",
    is_flag=True,
    help="Allow tests that put full load on cards and power supplies.",
)


@click.group(cls=CommandGroup)
def hardware() -> None:
    """Test cards with the vendor's validation suite (CNVS).

    \b
    Examples:
      mlufleet hardware validate --list
      mlufleet hardware validate inventories/fleet.py --limit rack1
      mlufleet hardware baseline inventories/fleet.py mlu01
    """


@hardware.command(context_settings=PASS_THROUGH)
@click.argument("inventory", required=False, type=click.Path())
@LEVEL_OPTION
@DESTRUCTIVE_OPTION
@click.option("--again", is_flag=True, help="Re-run tests that already passed.")
@click.option("--list", "listed", is_flag=True, help="List the tests and how long they take.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@PYINFRA_OPTIONS_ARGUMENT
def validate(
    inventory: str | None,
    level: int,
    destructive: bool,
    again: bool,
    listed: bool,
    as_json: bool,
    options: tuple[str, ...],
) -> None:
    """Deploy the releases of INVENTORY and run the vendor's suite on its hosts.

    The suite runs on the host, or else in the container of a release that has it and all cards.
    A test that cannot run is SKIPPED, which does not count as passed: there is no cnvs in either,
    the host has too few cards, or the test is destructive. The cards must be idle. If `mlufleet
    hardware baseline` has recorded a card model, measured rates are compared with its baseline.
    OPTIONS are passed to pyinfra.

    Exit status: 0 all tests passed, 2 some failed or were skipped, otherwise as `mlufleet
    deploy`.

    \b
    Examples:
      mlufleet hardware validate --list
      mlufleet hardware validate inventories/fleet.py --limit rack1
      mlufleet hardware validate inventories/fleet.py --level 4 --destructive
    """
    if listed:
        for line in describe_tests():
            click.echo(line)
        return
    if not inventory:
        raise InvalidInput(_("missing INVENTORY; to list the tests, use --list"))
    from fleet.vendor import validation_suite

    report = _run_suite(inventory, level, destructive, again, *options)
    results = {name: host.validation for name, host in report.sorted_hosts()}
    if as_json:
        click.echo(json.dumps(results, indent=1, ensure_ascii=False, default=vars))
    else:
        _print_results(results)
    passed = all(
        test.verdict == validation_suite.PASSED
        for tests in results.values()
        for test in tests.values()
    )
    sys.exit(report.exit or (ExitStatus.OK if passed else ExitStatus.FAILED))


@hardware.command(context_settings=PASS_THROUGH)
@INVENTORY_ARGUMENT
@click.argument("host")
@LEVEL_OPTION
@DESTRUCTIVE_OPTION
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of baselines.  [default: inventories/golden.yml]",
)
@click.option(
    "--endpoints",
    "records_endpoints",
    is_flag=True,
    help="Record what the endpoints of HOST measured when they were last proved; runs no test.",
)
@PYINFRA_OPTIONS_ARGUMENT
def baseline(
    inventory: str,
    host: str,
    level: int,
    destructive: bool,
    path: Path | None,
    records_endpoints: bool,
    options: tuple[str, ...],
) -> None:
    """Record the rates of HOST, known to be good, as the baseline of its card model.

    Other hosts with cards of that model fail if a rate is more than 10 % below the baseline
    (`tolerance` in the file). With `--endpoints`, hosts that serve the same release with as many
    cards of that model fail if a server is slower than those of HOST (`endpoint_tolerances`). The
    previous file is kept next to the new one. OPTIONS are passed to pyinfra.

    \b
    Examples:
      mlufleet hardware baseline inventories/fleet.py mlu01 --level 4
      mlufleet hardware baseline inventories/fleet.py mlu01 --endpoints
    """
    from fleet.vendor import validation_suite
    from mlufleet.cli import baselines as capturing
    from mlufleet.run import launcher, pyinfra_options

    if {"limit", "exclude"} & pyinfra_options.parse_options(options).keys():
        raise InvalidInput(
            _("the baseline is recorded from {host} alone; remove --limit and --exclude", host=host)
        )
    if host not in dict(launcher.validate_inventory(inventory, (*options, "--limit", host))):
        raise InvalidInput(_("{host}: expected the name of one host", host=host))
    path = path or Path(validation_suite.DEFAULT_BASELINE_FILE)
    # read before anything is run: an invalid file must not cost an hour of tests
    baselines = (
        validation_suite.load_baselines(str(path))
        if path.exists()
        else validation_suite.Baselines()
    )
    # a reference host is not compared with an older baseline
    selection = (*options, "--limit", host, "--data", "golden=")
    if records_endpoints:
        report = launcher.dry_run_report(inventory, selection)
    else:
        report = _run_suite(inventory, level, destructive, True, *selection)
    if report.exit or host not in report.hosts:
        sys.exit(report.exit or ExitStatus.INVALID)
    captured = capturing.capture(host, report, baselines, records_endpoints)
    if backup := capturing.write_baselines(path, captured.baselines):
        click.echo(_("{path}: the previous baselines", path=backup))
    click.echo(_("{path}: {summary} of {host}", path=path, summary=captured.summary, host=host))


def describe_tests() -> list[str]:
    """Return a line for each test of the suite: level, name, duration and requirements."""
    from fleet.vendor import validation_suite

    return [
        _(
            "level {level}  {test:<20} about {seconds:>4} s, stopped after {timeout} s{needs}",
            level=test.level,
            test=test.plugin,
            seconds=test.seconds,
            timeout=test.timeout,
            needs=_describe_needs(test),
        )
        for test in validation_suite.load_tests(4)
    ]


def _describe_needs(test: SuiteTest) -> str:
    needs = [_(", destructive")] if test.destructive else []
    needs += [_(", {count} cards", count=test.cards)] if test.cards > 1 else []
    return "".join(needs)


def _run_suite(inventory: str, level: int, destructive: bool, again: bool, *options: str) -> Report:
    """Deploy an inventory with the suite at the end, and return the run's report."""
    from mlufleet.run import launcher

    fields = {
        "validation": level,
        "validation_destructive": destructive,
        "validation_again": again,
    }
    data = [
        word
        for key, value in fields.items()
        if value
        for word in ("--data", f"{key}={json.dumps(value)}")
    ]
    return launcher.run_deploy(inventory, (*data, *options))


def _print_results(results: dict[str, dict[str, ValidationRecord]]) -> None:
    """Print a row for each test of each host; in a large fleet, of each group of equal hosts."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fleet.vendor.validation_suite import FAILED, PASSED, SKIPPED
    from mlufleet.report import host_ranges

    styles = {PASSED: "green", FAILED: "red", SKIPPED: "cyan"}
    table = Table(*map(_, (N_("host"), N_("test"), N_("verdict"), N_("where"), N_("why"))))
    tests = [
        (name, (plugin, test.verdict, test.where, test.why))
        for name, tests in results.items()
        for plugin, test in tests.items()
    ]
    rows = [([name], test) for name, test in tests]
    if len(results) > host_ranges.MAX_LISTED_HOSTS:
        rows = [(names, test) for test, names in host_ranges.group_hosts(tests).items()]
    for names, (plugin, verdict, where, why) in rows:
        table.add_row(
            Text(host_ranges.format_hosts(names), overflow="fold"),
            Text(plugin),
            Text(verdict, style=styles[verdict]),
            Text(where, overflow="fold"),
            Text(why, overflow="fold"),
        )
    Console(highlight=False).print(table)
