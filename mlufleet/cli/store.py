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
    help="Its folder.",
    type=click.Path(path_type=Path, file_okay=False),
)
RELEASES_ARGUMENT = click.argument("releases", nargs=-1, required=True)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@click.command()
@RELEASES_ARGUMENT
@STORE_OPTION
@JSON_OPTION
def verify(releases: tuple[str, ...], store: Path, as_json: bool) -> None:
    """Read every byte of the store that RELEASES need and compare it with their locks.

    Nothing that is known from an earlier run is believed. Exit status: 0 all right, 3 not.

    \b
    Example:  mlufleet verify baichuan-7b --store /srv/mlu
    """
    from fleet.store import required_files
    from fleet.store import verify as verifying
    from fleet.store.progress_bar import ProgressBar

    files = required_files.for_releases(releases).files
    total = sum(file.locked.size for file in files)
    with ProgressBar(f"reading {store}", total, quiet=as_json) as told:
        wrong = verifying.verify_files(files, store, told)
    _report_and_exit(wrong, files, store, as_json)


@click.command()
@RELEASES_ARGUMENT
@STORE_OPTION
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="A file by its path in the store, a folder, or a pattern.",
)
@JSON_OPTION
def fetch(releases: tuple[str, ...], store: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Fill the store with what RELEASES have a `url` (or a `mirror`) for.

    A file has its name only when it is the lock's. What was cut goes on where it was; what is
    there already is compared and never replaced. Exit status: 0 all there, 3 not.

    \b
    Examples:  mlufleet fetch baichuan-7b
               mlufleet fetch baichuan-7b --only 'weights/*'
    """
    from fleet.store import fetch as fetching
    from fleet.store import required_files
    from fleet.store.progress_bar import ProgressBar

    files = fetching.select_files(required_files.for_releases(releases).files, only)
    if not files:
        raise InvalidInput(f"no file of {' '.join(releases)} is {' or '.join(only)}")
    total = sum(file.locked.size for file in files)
    with ProgressBar(f"filling {store}", total, quiet=as_json) as told:
        wrong = fetching.fetch_files(files, store, told)
    _report_and_exit(wrong, files, store, as_json)


def _report_and_exit(
    wrong: list[FileProblem], files: list[StoreFile], store: Path, as_json: bool
) -> None:
    total = sum(file.locked.size for file in files)
    if as_json:
        listed = [
            {
                "path": str(store / one.name),
                "code": one.failure.code,
                "detail": one.failure.detail,
                "remedy": one.failure.remedy,
            }
            for one in wrong
        ]
        click.echo(json.dumps({"files": len(files), "bytes": total, "wrong": listed}, indent=1))
    else:
        _print_problems(wrong, store)
        click.echo(f"{len(files) - len(wrong)} of {len(files)} files are right ({total} bytes)")
    sys.exit(ExitStatus.INVALID if wrong else ExitStatus.OK)


def _print_problems(wrong: list[FileProblem], store: Path) -> None:
    if not wrong:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table("file", "code", title="wrong files", title_justify="left")
    for one in wrong:
        table.add_row(Text(str(store / one.name), overflow="fold"), one.failure.code)
    console.print(table)
    for one in wrong:  # a sum is never broken into lines, it is to be copied
        for line in (
            f"{store / one.name}: {one.failure.code}: {one.failure.sentence}",
            f"  remedy: {one.failure.remedy}",
        ):
            console.print(line, markup=False, soft_wrap=True)
