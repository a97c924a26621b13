"""Looks for what this tool left on a host: by its record there, else by labels and stamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyinfra.api import Host

from fleet.errors import Failure
from fleet.language import _
from fleet.release import driver_packages, host_paths
from fleet.release.target import HostTarget, ReleaseTarget
from operations.host import connection
from operations.host.context import run_context
from operations.host.failures import failure_from_output
from operations.host.probe import capture_failure, unwrap_host
from operations.host.scripts import script_command, stamps_subdirectory
from operations.retirement.model import RetirementOptions, Trace

#: seconds that a host may take to look: it may have to read files whose times have changed
SURVEY_TIMEOUT_S = 3600
#: fields of a line that the host prints for each trace
_FIELDS = ("kind", "name", "group", "state", "detail")


def find_traces(
    host: Host, target: HostTarget, options: RetirementOptions
) -> list[Trace] | Failure:
    """Return what this tool left on a host.

    A run that only looks changes nothing there. Another one may write what makes its next look
    faster, such as the index file of a checkout, which old versions of git refresh.

    Args:
        host: A connected host that was just probed.
        target: Its releases, which say what a version without a record on the host has made.
        options: What is to go; only then it is found out who else uses it.

    Returns:
        The traces; or why the host could not be asked.
    """
    host = unwrap_host(host)
    command = script_command(
        "survey-made",
        *option_words(options),
        timeout=SURVEY_TIMEOUT_S,
        read_only=run_context(host).is_read_only,
    )

    def ask() -> list[Trace] | Failure:
        given = connection.connector_arguments(
            host, _stdin="".join(f"{line}\n" for line in list_expected(target))
        )
        ok, output = connection.run_command(host, command, given)
        if not ok:
            return failure_from_output(
                "PROBE_FAILED", output.output_lines, _("looking at the host")
            )
        return parse_traces(output.stdout_lines)

    return capture_failure(host, ask)


def option_words(options: RetirementOptions) -> list[str]:
    """Return the options as the host's scripts take them.

    Args:
        options: What is to go.
    """
    names = {
        "weights": not options.keep_weights,
        "driver": options.driver,
        "engine": options.engine,
    }
    return [name for name, goes in names.items() if goes]


def parse_traces(lines: Iterable[str]) -> list[Trace] | Failure:
    """Parse what the host printed.

    Args:
        lines: The lines; those without a mark of this run are ignored.

    Returns:
        The traces; a failure if the end is missing.
    """
    traces, is_complete = [], False
    for line in lines:
        word, *fields = line.split("\t")
        if word == "@@trace" and len(fields) == len(_FIELDS):
            traces.append(Trace(*fields))
        elif word == "@@traces-end":
            is_complete = True
    return (
        traces
        if is_complete
        else Failure("PROBE_FAILED", _("the list of what was made has no end"))
    )


def list_expected(target: HostTarget) -> list[str]:
    """Return what releases make on a host, for hosts that a version without a record provisioned.

    Args:
        target: The releases of the host.

    Returns:
        Lines of kind, name and detail, separated by tabs.
    """
    return ["\t".join(fields) for release in target.releases for fields in _expect(release)]


def _expect(target: ReleaseTarget) -> Iterator[tuple[str, str, str]]:
    release = target.release
    slot = stamps_subdirectory(target)
    stamps = f"{host_paths.STATE_FOLDER}/stamps" + (f"/{slot}" if slot else "")
    yield "container", release.container.name, ""
    yield "image", target.lock.image.id, release.image.reference
    for package in driver_packages.list_packages(release):
        yield "package", package.package, f"driver {release.driver.version} -"
    for path, source in host_paths.list_trees(release).items():
        if source:
            yield "checkout", path, ""
    if release.migration:
        for name in release.migration.trees:
            path = host_paths.migrated_path(release.find_source(name))
            yield "tree", host_paths.to_host_path(release, path), f"{stamps}/tree-{name}"
    for weights in release.weights:
        for name, file in target.lock.files_in(weights.folder).items():
            yield "file", f"{weights.target}/{name}", f"{file.sha256} - weights"
