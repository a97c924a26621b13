"""Files that lie on a host already, in whatever folder and under whatever name.

They are recognized by size and sha256, and used as a reflink, a hard link or a copy. Whatever goes
wrong in a search is no failure of the host: what was not found is sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pyinfra import logger
from pyinfra.api import Host

from fleet.language import _
from fleet.release import usual_folders
from operations.host import connection, inspection, settings
from operations.host.context import emit_event
from operations.host.failures import relay_output
from operations.host.scripts import ScriptCommand, script_command

#: bytes of missing files from which searching for them is worth its time
MIN_BYTES = 64 << 10
#: bytes per second at which they would be sent: searching for files of the right size, and reading
#: them, may not take longer than that
SENDING_RATE_BYTES_S = 10_000_000
#: the least and the most seconds of searching, and of searching and reading
WALK_TIMEOUTS_S = 5, 120
READ_TIMEOUTS_S = 60, 1800
#: seconds that all of it may take; files on another file system are copied as well
SEARCH_TIMEOUT_S = 3600
#: paths of files found elsewhere on a host that an event names
MAX_FOUND_PATHS = 20


@dataclass(frozen=True)
class LookOptions:
    """Host data about files that may be on a host already.

    Attributes:
        look_in: folders to search besides the usual ones, also on network file systems
    """

    look_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class NeededFile:
    """A file that a host needs.

    Attributes:
        part: name of its partial file, by which the host refers to it
        sha: its sha256
        size: its bytes
        dest: where it has to be
    """

    part: str
    sha: str
    size: int
    dest: str


@dataclass(frozen=True)
class FoundFile:
    """A file of a host that is what is needed.

    Attributes:
        how: how it was used ("reflink", "hard link", "copy") or could be ("link", "copy"); "place"
            if it is where it is needed
        owner: user whose it is
        path: where it lies
    """

    how: str
    owner: str
    path: str


@dataclass
class Search:
    """What a search has found.

    Attributes:
        files: name of the partial file -> what is there in its place
        unsearched: what was not searched, each with the reason
        failure: why the search did not end; "" if it did
    """

    files: dict[str, FoundFile] = field(default_factory=dict)
    unsearched: list[str] = field(default_factory=list)
    failure: str = ""


def search_host(
    host: Host,
    arguments: dict[str, Any],
    needed: Iterable[NeededFile],
    phase: Literal["look", "use"],
    identity: str = "",
) -> Search:
    """Find needed files on a host.

    Args:
        host: the host
        arguments: pyinfra's connector arguments
        needed: the files
        phase: "look" changes nothing; "use" puts the files where they are needed
        identity: of the run, for the host's audit log

    Returns:
        What was found before the search ended or failed.
    """
    files = list(needed)
    command = _build_command(host, phase, sum(file.size for file in files), identity)
    manifest = "".join(f"{file.sha} {file.part} {file.size} {file.dest}\n" for file in files)
    ok, output = connection.run_command(host, command, {**arguments, "_stdin": manifest})
    search = _parse(output.stdout_lines, {file.part for file in files})
    if not ok or inspection.END not in output.stdout_lines:
        search.failure = output.output_lines[-1] if output.output_lines else _("no output")
        reason = _("files of this host could not be searched: {failure}", failure=search.failure)
        logger.info(f"{host.print_prefix}{reason}")
    relay_output(host, output.stdout_lines)
    return search


def _build_command(host: Host, phase: str, size: int, identity: str) -> ScriptCommand:
    """Return the command that searches a host for files of this many bytes."""
    named = settings.from_host_data(LookOptions, host).look_in
    folders = [*(f"+{path}" for path in named), *usual_folders.load_paths()]
    sending_s = size // SENDING_RATE_BYTES_S
    walk_s, read_s = (
        min(most, max(least, sending_s)) for least, most in (WALK_TIMEOUTS_S, READ_TIMEOUTS_S)
    )
    return script_command(
        "reuse-files",
        phase,
        str(walk_s),
        str(read_s),
        *folders,
        timeout=SEARCH_TIMEOUT_S,
        identity=identity,
    )


def use_files(
    host: Host,
    arguments: dict[str, Any],
    needed: list[NeededFile],
    title: str,
    stage: str,
    identity: str,
) -> set[str]:
    """Put needed files in place that lie elsewhere on a host, and report it.

    Args:
        host: the host
        arguments: pyinfra's connector arguments
        needed: the files
        title: of the upload that needs them
        stage: label of its stage
        identity: of the run, for the host's audit log

    Returns:
        Names of the partial files of those that are in place now.
    """
    started = time.monotonic()
    search = search_host(host, arguments, needed, "use", identity)
    for reason in search.unsearched:
        logger.info(f"{host.print_prefix}{title}: {reason}")
    if search.files:
        reused = sum(file.size for file in needed if file.part in search.files)
        found = sorted({file.path for file in search.files.values()})
        _report_reuse(host, title, stage, reused, found, time.monotonic() - started)
    return set(search.files)


def _report_reuse(
    host: Host, title: str, stage: str, reused: int, found: list[str], seconds: float
) -> None:
    paths = f"{found[0]}{', …' if found[1:] else ''}"
    logger.info(
        host.print_prefix
        + _(
            "{title}: {size:.1f} MB were on the host: {paths}",
            title=title,
            size=reused / 1e6,
            paths=paths,
        )
    )
    emit_event(
        host,
        "transfer",
        title=title,
        sent=0,
        total=reused,
        reused=reused,
        found=found[:MAX_FOUND_PATHS],
        stage=stage,
        seconds=round(seconds, 2),
    )


def _parse(lines: Iterable[str], asked: set[str]) -> Search:
    search = Search()
    for line in lines:
        match line.split("\t"):
            case [inspection.RECORD, "file", part, how, owner, path] if part in asked:
                search.files[part] = FoundFile(how, owner, path)
            case [inspection.RECORD, "unsearched", reason]:
                search.unsearched.append(reason)
            case _:
                pass
    return search
