"""`mlufleet validate` and `golden`: the vendor's suite, and what a good host does in it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.documents import atomic_write
from fleet.errors import ExitStatus, InvalidInput
from mlufleet.run import launcher

if TYPE_CHECKING:
    from fleet.vendor.validation_suite import Baseline
    from mlufleet.journal.events import ValidationRecord
    from mlufleet.report.model import Report

LEVEL_OPTION = click.option(
    "--level",
    type=click.IntRange(3, 4),
    default=3,
    show_default=True,
    help="4 has all of 3, and the tests that load cards as far as they go.",
)
DESTRUCTIVE_OPTION = click.option(
    "--destructive",
    is_flag=True,
    help="Let tests run that load cards and power supplies as far as they go.",
)


@click.command(context_settings=launcher.PASS_THROUGH)
@click.argument("inventory", required=False)
@LEVEL_OPTION
@DESTRUCTIVE_OPTION
@click.option("--again", is_flag=True, help="Run what has passed before as well.")
@click.option("--list", "listed", is_flag=True, help="Show the tests and how long they take.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def validate(
    inventory: str | None,
    level: int,
    destructive: bool,
    again: bool,
    listed: bool,
    as_json: bool,
    options: tuple[str, ...],
) -> None:
    """Bring the hosts of INVENTORY to their releases, and run the vendor's suite (CNVS) on them.

    A test that cannot run (no cnvs on the host, too few cards, destructive) is SKIPPED, which is
    not passed. The cards must be free. Where `mlufleet golden` has taken what good cards of a model
    do, rates are held against that. Exit status: 0 all passed, 2 some failed or were skipped, and
    as `mlufleet deploy`.

    \b
    Examples:  mlufleet validate --list
               mlufleet validate inventories/fleet.py --limit rack1
               mlufleet validate inventories/fleet.py --level 4 --destructive
    """
    if listed:
        for line in describe_tests():
            click.echo(line)
        return
    if not inventory:
        raise InvalidInput("say an inventory, or --list")
    from fleet.vendor import validation_suite

    report = _run_suite(inventory, level, destructive, again, *options)
    results = {name: host.validation for name, host in report.sorted_hosts()}
    if as_json:
        click.echo(json.dumps(results, indent=1, ensure_ascii=False, default=vars))
    else:
        _print_results(results)
    passed = all(
        test.verdict == validation_suite.PASSED
        for host in results.values()
        for test in host.values()
    )
    sys.exit(report.exit or (ExitStatus.OK if passed else ExitStatus.FAILED))


@click.command(context_settings=launcher.PASS_THROUGH)
@click.argument("inventory")
@click.argument("host")
@LEVEL_OPTION
@DESTRUCTIVE_OPTION
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where thresholds are kept.  [default: inventories/golden.yml]",
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def golden(
    inventory: str,
    host: str,
    level: int,
    destructive: bool,
    path: Path | None,
    options: tuple[str, ...],
) -> None:
    """Take what the cards of HOST, which is known to be good, do in the vendor's suite.

    Other hosts with cards of that model may do a tenth less (`tolerance` of the file). What the
    file had of the model before is kept beside it.

    \b
    Example:  mlufleet golden inventories/fleet.py mlu01 --level 4 --destructive
    """
    import yaml

    from fleet.vendor import validation_suite

    if {"limit", "exclude"} & launcher.parse_pyinfra_options(options).keys():
        raise InvalidInput(f"what {host} does is taken: leave out --limit and --exclude")
    if host not in dict(launcher.validate_inventory(inventory, (*options, "--limit", host))):
        raise InvalidInput(f"{host}: say one host, by its name")
    path = path or Path(validation_suite.DEFAULT_BASELINE_FILE)
    found = (
        validation_suite.load_baselines(str(path))
        if path.exists()
        else validation_suite.Baselines()
    )
    # a file that is wrong is told before anything is run; a good host is held against nothing
    report = _run_suite(
        inventory, level, destructive, True, *options, "--limit", host, "--data", "golden="
    )
    if report.exit or host not in report.hosts:
        sys.exit(report.exit or ExitStatus.INVALID)
    model, good = capture_baseline(host, report)
    if path.exists():
        kept = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}")
        os.link(path, kept)
        click.echo(f"{kept}: what there was before")
    made = found.model_copy(update={"models": {**found.models, model: good}})
    text = yaml.safe_dump(made.model_dump(), allow_unicode=True, sort_keys=False)
    atomic_write.replace_file(
        path, f"# What good cards do, by model; taken by `mlufleet golden`\n{text}"
    )
    count = sum(map(len, good.rates.values()))
    click.echo(f"{path}: {model}, {count} rates of {host}")


def capture_baseline(name: str, report: Report) -> tuple[str, Baseline]:
    """Card model and rates of a host, from a report.

    :raises InvalidInput: a test failed, none gave a rate, or the cards are of several models
    """
    from fleet.vendor import validation_suite

    host = report.hosts[name]
    models = set(host.models.values())
    if len(models) != 1 or len(host.models) != host.card_count:
        said = ", ".join(sorted(models)) or "none is known"
        raise InvalidInput(f"{name}: its cards are not all of one known model ({said})")
    bad = [
        f"{plugin}: {test.why}"
        for plugin, test in host.validation.items()
        if test.verdict == validation_suite.FAILED
    ]
    rates = {
        plugin: test.rates
        for plugin, test in host.validation.items()
        if test.verdict == validation_suite.PASSED and test.rates
    }
    if bad or not rates:
        said = "; ".join(bad) or "no test that ran gave a rate"
        raise InvalidInput(f"{name} is no host to go by: {said}")
    driver = str(host.versions.get("driver", ""))
    good = validation_suite.Baseline(host=name, driver=driver, taken=time.time(), rates=rates)
    return models.pop(), good


def describe_tests() -> list[str]:
    """A line for each test."""
    from fleet.vendor import validation_suite

    return [
        f"level {test.level}  {test.plugin:<20} about {test.seconds:>4} s, ended after "
        f"{test.timeout} s{', destructive' if test.destructive else ''}"
        f"{f', {test.cards} cards' if test.cards > 1 else ''}"
        for test in validation_suite.load_tests(4)
    ]


def _run_suite(inventory: str, level: int, destructive: bool, again: bool, *options: str) -> Report:
    said = {"validation": level, "validation_destructive": destructive, "validation_again": again}
    data = [
        word
        for key, value in said.items()
        for word in ("--data", f"{key}={json.dumps(value)}")
        if value
    ]
    return launcher.run_deploy(inventory, (*data, *options))


def _print_results(results: dict[str, dict[str, ValidationRecord]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fleet.vendor import validation_suite
    from mlufleet.report import host_ranges

    styles = {
        validation_suite.PASSED: "green",
        validation_suite.FAILED: "red",
        validation_suite.SKIPPED: "cyan",
    }
    table = Table("host", "test", "verdict", "why")
    every = [
        (name, (plugin, test.verdict, test.why))
        for name, tests in results.items()
        for plugin, test in tests.items()
    ]
    rows = [([name], said) for name, said in every]
    if len(results) > host_ranges.MAX_LISTED_HOSTS:
        rows = [(members, said) for said, members in host_ranges.group_hosts(every).items()]
    for members, (plugin, verdict, why) in rows:
        table.add_row(
            Text(host_ranges.format_hosts(members), overflow="fold"),
            Text(plugin),
            Text(verdict, style=styles[verdict]),
            Text(why, overflow="fold"),
        )
    Console(highlight=False).print(table)
