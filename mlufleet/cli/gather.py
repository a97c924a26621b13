"""`mlufleet gather`: fill the store from releases, on a machine with internet."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.errors import ExitStatus, InvalidInput
from fleet.language import _
from fleet.text import suggestions, word_lists
from mlufleet.cli.options import JSON_OPTION, RELEASES_ARGUMENT, STORE_OPTION
from mlufleet.cli.translated_command import TranslatedCommand

if TYPE_CHECKING:
    from fleet.gather.work import GatherOptions
    from fleet.release.files import ReleaseDocument
    from fleet.release.model import Release
    from mlufleet.cli.gather_output import Outcome


@click.command(cls=TranslatedCommand)
@RELEASES_ARGUMENT
@STORE_OPTION
@click.option("--plan", "only_plan", is_flag=True, help="Show origins and sizes; change nothing.")
@click.option(
    "--git-mirror",
    "git_mirrors",
    multiple=True,
    metavar="[ORIGIN=]MIRROR",
    envvar="MLUFLEET_GIT_MIRROR",
    help="Fetch git repositories whose URL begins with ORIGIN from MIRROR instead; without ORIGIN, "
    "MIRROR is put before the URL. [env: MLUFLEET_GIT_MIRROR]",
)
@click.option(
    "--hub",
    type=click.Choice(["huggingface", "modelscope"]),
    help="Take weights from this hub only. By default, Hugging Face is preferred.",
)
@click.option(
    "--python",
    default="",
    metavar="VERSION",
    help="Python of the image, such as 3.10, if neither its tag nor its archive shows it.",
)
@click.option(
    "--system",
    "systems",
    multiple=True,
    metavar="NAME",
    help="Operating system of your hosts, such as ubuntu18.04: require only its driver package. "
    "May be repeated.",
)
@JSON_OPTION
def gather(
    releases: tuple[str, ...],
    store: Path,
    only_plan: bool,
    git_mirrors: tuple[str, ...],
    hub: str | None,
    python: str,
    systems: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fill the store with what RELEASES need, and lock them.

    Clones and bundles git sources, downloads weights from Hugging Face or ModelScope, wheels for
    the image's Python, and every file that has a URL. No lock file is needed. What only the vendor
    provides is listed: file name, purpose, where to get it, and where to put it.

    Interrupted downloads continue, and nothing that exists is replaced. The configuration of git
    and pip, https_proxy, HF_ENDPOINT, HF_TOKEN and MODELSCOPE_API_TOKEN are respected.

    Exit status: 0 everything is there and locked, 3 something is missing or the release is wrong,
    130 interrupted.

    \b
    Examples:
      mlufleet gather baichuan-7b --plan
      mlufleet gather baichuan-7b --store /srv/mlu --system ubuntu18.04
      mlufleet gather chatglm2-6b --hub modelscope
    """
    from fleet.release import files

    paths = dict.fromkeys(map(files.find_release, releases))
    documents = [files.load_document(path) for path in paths]
    options = _build_options(git_mirrors, hub, python, systems)
    try:
        outcome = _plan_or_run([d.release for d in documents], store, options, only_plan, as_json)
    except KeyboardInterrupt:
        click.echo(_("interrupted: what has arrived is kept; run the command again"), err=True)
        sys.exit(ExitStatus.INTERRUPTED)
    _finish(documents, outcome, store, quiet=as_json)


def _finish(
    documents: Sequence[ReleaseDocument], outcome: Outcome, store: Path, *, quiet: bool
) -> None:
    """Print the outcome, and lock the releases if nothing is missing."""
    from fleet.gather import vendor_files

    if quiet:
        outcome.print_json()
    else:
        outcome.print_text(store)
    if outcome.problems:
        if not quiet and outcome.results is not None:
            click.echo(_("nothing is locked yet: correct what is listed, then repeat the command"))
        sys.exit(ExitStatus.INVALID)
    if outcome.results is None:
        return
    if vendor_files.select_missing(outcome.by_hand):
        if not quiet:
            click.echo(
                _("nothing is locked yet: put the missing files there, then repeat the command")
            )
        sys.exit(ExitStatus.INVALID)
    _lock_releases(documents, store, quiet=quiet)


def _plan_or_run(
    releases: Sequence[Release],
    store: Path,
    options: GatherOptions,
    only_plan: bool,
    quiet: bool,
) -> Outcome:
    """Plan, and unless that is all, gather."""
    from fleet.gather import gathering, vendor_files
    from fleet.store.progress_bar import ProgressBar
    from mlufleet.cli.gather_output import Outcome

    tasks = gathering.list_tasks(releases, store, options)
    rows, problems = gathering.plan(tasks)
    left = gathering.list_left_to_hosts(releases)
    if only_plan:
        by_hand = vendor_files.list_files(releases, store, options)
        notes = [*(note for row in rows for note in row.notes), *left]
        return Outcome(problems, by_hand, notes, rows)
    gathering.check_free_space(rows, store)
    total = sum(row.size or 0 for row in rows)
    with ProgressBar(_("filling {path}", path=store), total, quiet=quiet) as progress:
        results = gathering.gather(tasks, progress)
    by_hand = vendor_files.list_files(releases, store, options)
    return Outcome(results.problems, by_hand, [*results.notes, *left], results=results)


def _build_options(
    git_mirrors: Sequence[str], hub: str | None, python: str, systems: tuple[str, ...]
) -> GatherOptions:
    from fleet.gather.git_mirrors import GitMirror
    from fleet.gather.work import GatherOptions
    from fleet.release import operating_systems

    if python and not re.fullmatch(r"3\.\d+", python):
        raise InvalidInput(_("--python {python}: expected a version such as 3.10", python=python))
    known = [system.name for system in operating_systems.load_table()]
    for name in systems:
        if name not in known:
            close = suggestions.format_suggestions(name, known)
            raise InvalidInput(
                _(
                    "--system {system}: unknown{nearest}; known: {known}",
                    system=name,
                    nearest=close,
                    known=word_lists.join_words(known),
                )
            )
    mirrors = tuple(map(GitMirror.parse, git_mirrors))
    chosen: Any = hub
    return GatherOptions(mirrors, python, chosen, systems)


def _lock_releases(documents: Sequence[ReleaseDocument], store: Path, *, quiet: bool) -> None:
    """Lock releases whose lock is not current."""
    from fleet.documents import loading
    from fleet.release import lockfile
    from fleet.store import measure
    from mlufleet.cli.release import write_lock

    for document in documents:
        if loading.is_file(lockfile.lock_path(document.path)):
            lock = lockfile.load(document.path)
            if not measure.check_store(document.release, lock, store):
                path = lockfile.lock_path(document.path)
                click.echo(_("{path}: current", path=path), err=quiet)
                continue
        write_lock(document, store, quiet=quiet, to_stderr=quiet)
