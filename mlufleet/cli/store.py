"""`mlufleet store`: the folder of the vendor's files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.errors import ExitStatus, InvalidInput
from fleet.language import _
from mlufleet.cli.groups import CommandGroup
from mlufleet.cli.options import JSON_OPTION, RELEASES_ARGUMENT, STORE_OPTION

if TYPE_CHECKING:
    from fleet.store.required_files import StoreFile
    from fleet.store.verify import FileProblem


@click.group(cls=CommandGroup)
def store() -> None:
    """Verify or fill the store, the folder of the vendor's files.

    \b
    Examples:
      mlufleet store fetch baichuan-7b
      mlufleet store verify baichuan-7b --store /srv/mlu
    """


@store.command()
@RELEASES_ARGUMENT
@STORE_OPTION
@JSON_OPTION
def verify(releases: tuple[str, ...], store: Path, as_json: bool) -> None:
    """Compare the files that RELEASES need with their lock files.

    Reads every byte of every file and ignores cached checksums. Exit status: 0 all files match
    their locks, 3 some are missing or differ.

    \b
    Example:
      mlufleet store verify baichuan-7b --store /srv/mlu
    """
    from fleet.store import required_files
    from fleet.store import verify as verifying
    from fleet.store.progress_bar import ProgressBar

    files = required_files.for_releases(releases).files
    total = sum(file.locked.size for file in files)
    with ProgressBar(_("reading {path}", path=store), total, quiet=as_json) as progress:
        problems = verifying.verify_files(files, store, progress)
    _report_and_exit(problems, files, store, as_json)


@store.command()
@RELEASES_ARGUMENT
@STORE_OPTION
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Fetch only this file, folder or pattern (paths in the store).",
)
@JSON_OPTION
def fetch(releases: tuple[str, ...], store: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Download the files of RELEASES that have a `url` or a `mirror`.

    A file is renamed to its final name only after its checksum matches the lock. Interrupted
    downloads resume. Existing files are compared and never replaced. Exit status: 0 all files are
    in the store, 3 some are missing or differ.

    \b
    Examples:
      mlufleet store fetch baichuan-7b
      mlufleet store fetch baichuan-7b --only 'weights/*'
    """
    from fleet.store import fetch as fetching
    from fleet.store import required_files
    from fleet.store.progress_bar import ProgressBar

    files = fetching.select_files(required_files.for_releases(releases).files, only)
    if not files:
        raise InvalidInput(
            _(
                "--only {names}: matches no file of {releases}",
                names=_(" or ").join(only),
                releases=" ".join(releases),
            )
        )
    total = sum(file.locked.size for file in files)
    with ProgressBar(_("filling {path}", path=store), total, quiet=as_json) as progress:
        problems = fetching.fetch_files(files, store, progress)
    _report_and_exit(problems, files, store, as_json)


def _report_and_exit(
    problems: list[FileProblem], files: list[StoreFile], store: Path, as_json: bool
) -> None:
    """Print the files that are not right, and exit with 3 if there are any."""
    total = sum(file.locked.size for file in files)
    if as_json:
        wrong = [
            {
                "path": str(store / problem.name),
                "code": problem.failure.code,
                "detail": problem.failure.detail,
                "remedy": problem.failure.remedy,
            }
            for problem in problems
        ]
        click.echo(json.dumps({"files": len(files), "bytes": total, "wrong": wrong}, indent=1))
    else:
        _print_problems(problems, store)
        good = len(files) - len(problems)
        click.echo(
            _(
                "{good} of {count} files match their locks ({total} bytes in all)",
                good=good,
                count=len(files),
                total=total,
            )
        )
    sys.exit(ExitStatus.INVALID if problems else ExitStatus.OK)


def _print_problems(problems: list[FileProblem], store: Path) -> None:
    if not problems:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(_("file"), _("code"), title=_("files with problems"), title_justify="left")
    for problem in problems:
        table.add_row(Text(str(store / problem.name), overflow="fold"), problem.failure.code)
    console.print(table)
    for problem in problems:  # not wrapped, so that a checksum can be copied
        for line in (
            f"{store / problem.name}: {problem.failure.code}: {problem.failure.sentence}",
            "  " + _("remedy: {remedy}", remedy=problem.failure.remedy),
        ):
            console.print(line, markup=False, soft_wrap=True)
