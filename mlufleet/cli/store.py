"""`mlufleet verify` and `fetch`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.errors import ExitStatus, InvalidInput

if TYPE_CHECKING:
    from fleet.store.required_files import StoreFile
    from fleet.store.verify import FileProblem

STORE_OPTION = click.option(
    "--store",
    default="artifacts",
    show_default=True,
    help="Folder of the store.",
    type=click.Path(path_type=Path, file_okay=False),
)
RELEASES_ARGUMENT = click.argument("releases", nargs=-1, required=True)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command()
@RELEASES_ARGUMENT
@STORE_OPTION
@JSON_OPTION
def verify(releases: tuple[str, ...], store: Path, as_json: bool) -> None:
    """Compare every byte of the store that RELEASES need with their locks.

    Checksums from earlier runs are not used. Exit status: 0 if all files match, else 3.

    \b
    Example:  mlufleet verify baichuan-7b --store /srv/mlu
    """
    from fleet.store import required_files
    from fleet.store import verify as verifying
    from fleet.store.progress_bar import ProgressBar

    files = required_files.for_releases(releases).files
    total = sum(file.locked.size for file in files)
    with ProgressBar(f"reading {store}", total, quiet=as_json) as progress:
        problems = verifying.verify_files(files, store, progress)
    _report_and_exit(problems, files, store, as_json)


@click.command()
@RELEASES_ARGUMENT
@STORE_OPTION
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Only this file of the store, folder, or pattern; may be repeated.",
)
@JSON_OPTION
def fetch(releases: tuple[str, ...], store: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Download the files of the store for which RELEASES have a `url` or a `mirror`.

    A file gets its name only when it matches the lock. Interrupted downloads resume; existing
    files are compared and never replaced. Exit status: 0 if all files are there, else 3.

    \b
    Examples:  mlufleet fetch baichuan-7b
               mlufleet fetch baichuan-7b --only 'weights/*'
    """
    from fleet.store import fetch as fetching
    from fleet.store import required_files
    from fleet.store.progress_bar import ProgressBar

    files = fetching.select_files(required_files.for_releases(releases).files, only)
    if not files:
        raise InvalidInput(f"--only {' or '.join(only)}: matches no file of {' '.join(releases)}")
    total = sum(file.locked.size for file in files)
    with ProgressBar(f"filling {store}", total, quiet=as_json) as progress:
        problems = fetching.fetch_files(files, store, progress)
    _report_and_exit(problems, files, store, as_json)


def _report_and_exit(
    problems: list[FileProblem], files: list[StoreFile], store: Path, as_json: bool
) -> None:
    total = sum(file.locked.size for file in files)
    if as_json:
        listed = [
            {
                "path": str(store / problem.name),
                "code": problem.failure.code,
                "detail": problem.failure.detail,
                "remedy": problem.failure.remedy,
            }
            for problem in problems
        ]
        click.echo(json.dumps({"files": len(files), "bytes": total, "wrong": listed}, indent=1))
    else:
        _print_problems(problems, store)
        matching = len(files) - len(problems)
        click.echo(f"{matching} of {len(files)} files match the lock ({total} bytes)")
    sys.exit(ExitStatus.INVALID if problems else ExitStatus.OK)


def _print_problems(problems: list[FileProblem], store: Path) -> None:
    if not problems:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table("file", "code", title="wrong files", title_justify="left")
    for problem in problems:
        table.add_row(Text(str(store / problem.name), overflow="fold"), problem.failure.code)
    console.print(table)
    for problem in problems:  # on one line each, so that checksums can be copied
        for line in (
            f"{store / problem.name}: {problem.failure.code}: {problem.failure.sentence}",
            f"  remedy: {problem.failure.remedy}",
        ):
            console.print(line, markup=False, soft_wrap=True)
