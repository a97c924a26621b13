"""Parses the output of the probe: a table says what each kind of line sets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields as dataclass_fields
from dataclasses import replace

from fleet.language import _
from fleet.text import sanitize
from fleet.text.redact import hide_credentials
from operations.host.endpoint_lines import parse_endpoint, parse_listener, parse_published
from operations.host.engine_storage import EngineStorage
from operations.host.facts import (
    DEFAULT_STOP_TIMEOUT_S,
    Card,
    CardUser,
    ContainerFacts,
    HostFacts,
    JobFacts,
    LockFacts,
    Package,
    ReleaseFacts,
    SourceFacts,
)

#: lines that frame the probe's output, as a login shell may print more
BEGIN_MARKER, END_MARKER = "@@mlufleet-begin", "@@mlufleet-end"
#: kinds of lines that every probe prints: without one of them the output is not complete
REQUIRED_KINDS = {"os", "kernel", "boot", "clock", "uid"}
#: characters of one field that are accepted
MAX_FIELD_CHARS = 4096
#: lines of a probe that are accepted
MAX_PROBE_LINES = 100_000
_ADDRESS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]")
_KERNEL = re.compile(r"[\w.+~:@-]{1,128}", re.ASCII)
_RUN = re.compile(r"[\w.+:@-]{1,128}", re.ASCII)
_DIFF_ID = re.compile(r"sha256:[0-9a-f]{64}")


class ProbeError(ValueError):
    """The output of the probe is not complete, or not understood."""


def parse_integer(text: str, minimum: int = 0, maximum: int = 1 << 63) -> int:
    """Return an integer that is written in ASCII digits.

    Args:
        text: what a host printed
        minimum: smallest accepted value
        maximum: largest accepted value

    Raises:
        ValueError: it is something else, or out of range
    """
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or not minimum <= int(text) <= maximum:
        raise ValueError(f"{text[:40]!r} is not an integer from {minimum} to {maximum}")
    return int(text)


def parse_matching(text: str, pattern: re.Pattern[str]) -> str:
    """Return a text that has to have a certain form.

    Args:
        text: what a host printed
        pattern: matches all of an acceptable text

    Raises:
        ValueError: it has another form
    """
    if not pattern.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not {pattern.pattern}")
    return text


def parse(lines: list[str], now: float) -> HostFacts:
    """Parse the output of a probe.

    Args:
        lines: everything that the command printed, including what a login shell added
        now: the controller's clock, in seconds since the epoch

    Returns:
        The host, with the facts of every release that the probe was asked about; with those of
        one release named "" if it was asked about none.

    Raises:
        ProbeError: a marker or a required line is missing, or a line has wrong fields
    """
    facts = HostFacts(observed_at=now)
    outside = section = _ReleaseSection()
    sections: dict[str, _ReleaseSection] = {}
    kinds: set[str] = set()
    for line in _between_markers(lines):
        kind, *fields = line.split("\t")
        kinds.add(kind)
        try:
            if max(map(len, fields), default=0) > MAX_FIELD_CHARS and kind != "lock":
                raise ValueError("too long")
            if kind == "release":
                section = sections.setdefault("".join(fields[:1]), _ReleaseSection())
            elif kind == "host":
                section = outside
            elif set_release := RELEASE_LINES.get(kind):
                set_release(section, fields)
            elif set_host := HOST_LINES.get(kind):
                set_host(facts, fields)
        except (LookupError, ValueError, TypeError, OverflowError) as error:
            raise ProbeError(_("the probe printed {line!r}", line=line[:200])) from error
    if missing := REQUIRED_KINDS - kinds:
        raise ProbeError(_("the probe did not print {missing}", missing=", ".join(sorted(missing))))
    facts.releases = {key: each.finish() for key, each in (sections or {"": outside}).items()}
    return facts


def _between_markers(lines: list[str]) -> list[str]:
    """The lines between the markers.

    The last beginning counts: a banner may show an earlier probe, which must not replace this one
    if this one was interrupted.
    """
    text = [sanitize.escape_line(line.rstrip("\r\n")) for line in lines]
    begins = [number for number, line in enumerate(text) if line == BEGIN_MARKER]
    if not begins:
        raise ProbeError(_("the probe's markers are not in its output"))
    try:
        end = text.index(END_MARKER, begins[-1])
    except ValueError:
        raise ProbeError(_("the probe's output has no end")) from None
    if end - begins[-1] > MAX_PROBE_LINES:
        raise ProbeError(
            _(
                "the probe printed more than {count:,} lines",
                count=MAX_PROBE_LINES,
            )
        )
    return text[begins[-1] + 1 : end]


class _ReleaseSection:
    """Collects the lines about one release; those about its container make sense only together."""

    def __init__(self) -> None:
        self.facts = ReleaseFacts()
        self.container: list[str] = []
        self.stale_mounts: list[str] = []
        self.config_digest = self.packages_digest = ""
        self.has_suite = False

    def finish(self) -> ReleaseFacts:
        """Return the facts, once all lines have been read."""
        fields = self.container
        if fields:
            try:
                error = str(json.loads("".join(fields[5:6]) or '""'))
                self.facts.container = ContainerFacts(
                    id=fields[0],
                    image=fields[1],
                    running=fields[2] == "true",
                    spec_digest="" if fields[4] == "-" else fields[4],
                    config_digest=self.config_digest,
                    packages_digest=self.packages_digest,
                    stale_mounts=tuple(self.stale_mounts),
                    error=" ".join(error.split()),
                    has_suite=self.has_suite,
                    has_process=fields[3] not in ("", "0"),
                    stop_timeout_s=parse_integer(
                        "".join(fields[6:7]) or str(DEFAULT_STOP_TIMEOUT_S), -1
                    ),
                    published=parse_published("".join(fields[7:8])),
                )
            except (IndexError, ValueError) as error:
                raise ProbeError(
                    _("the probe printed container {fields!r}", fields=fields)
                ) from error
        return self.facts


ReleaseLine = Callable[[_ReleaseSection, list[str]], None]
HostLine = Callable[[HostFacts, list[str]], None]


def _set_container(section: _ReleaseSection, fields: list[str]) -> None:
    section.container = fields or [""]


def _set_config_digest(section: _ReleaseSection, fields: list[str]) -> None:
    section.config_digest = fields[0]


def _set_packages_digest(section: _ReleaseSection, fields: list[str]) -> None:
    section.packages_digest = fields[0]


def _set_suite(section: _ReleaseSection, fields: list[str]) -> None:
    section.has_suite = True


def _set_tagged(section: _ReleaseSection, fields: list[str]) -> None:
    section.facts.tagged = fields[0]


def _set_image(section: _ReleaseSection, fields: list[str]) -> None:
    section.facts.image = fields[0]


def _add_source(section: _ReleaseSection, fields: list[str]) -> None:
    path, head, changed_files = fields[:3]
    status_error, has_pin, operation = (*fields[3:6], "", "", "")[:3]
    section.facts.sources[path] = SourceFacts(
        head, parse_integer(changed_files), status_error, bool(has_pin), operation
    )


def _add_change(section: _ReleaseSection, fields: list[str]) -> None:
    source = section.facts.sources[fields[0]]
    text = hide_credentials(" ".join(fields[1:]))
    section.facts.sources[fields[0]] = replace(source, changes=(*source.changes, text))


def _add_edit(section: _ReleaseSection, fields: list[str]) -> None:
    source = section.facts.sources[fields[0]]
    text = hide_credentials(" ".join(fields[1:]))
    section.facts.sources[fields[0]] = replace(source, edits=(*source.edits, text))


def _set_serve_definition(section: _ReleaseSection, fields: list[str]) -> None:
    section.facts.serve_definition = fields[0]


def _add_endpoint(section: _ReleaseSection, fields: list[str]) -> None:
    name, listens, *told = fields
    section.facts.endpoints[name] = parse_endpoint([name, *told], listens=listens == "yes")


def _add_listener(section: _ReleaseSection, fields: list[str]) -> None:
    address, port = parse_listener(*fields[:2])
    section.facts.used_ports.setdefault(port, set()).add(address)


#: kind of a line about a release -> what it sets
RELEASE_LINES: dict[str, ReleaseLine] = {
    "container": _set_container,
    "stale": lambda section, fields: section.stale_mounts.append(fields[0]),
    "facts": _set_config_digest,
    "site": _set_packages_digest,
    "suite": _set_suite,
    "tagged": _set_tagged,
    "image": _set_image,
    "source": _add_source,
    "change": _add_change,
    "edit": _add_edit,
    "unlisted": lambda section, fields: section.facts.missing_git_excludes.add(fields[0]),
    "tree": lambda section, fields: section.facts.trees.update({fields[0]: fields[1]}),
    "file": lambda section, fields: section.facts.files.update({fields[0]: fields[1]}),
    "definition": _set_serve_definition,
    "endpoint": _add_endpoint,
    "listens": _add_listener,
    "stamp": lambda section, fields: section.facts.stamps.update({fields[0]: fields[1]}),
    "silent": lambda section, fields: section.facts.unanswered_queries.add(fields[0]),
}

_FIELD_NAMES = {field.name for field in dataclass_fields(HostFacts)}


def _text(name: str) -> HostLine:
    """A line that sets a text."""
    assert name in _FIELD_NAMES
    return lambda facts, fields: setattr(facts, name, fields[0])


def _flag(name: str) -> HostLine:
    """A line that is printed if something is so."""
    assert name in _FIELD_NAMES
    return lambda facts, fields: setattr(facts, name, True)


def _set_os(facts: HostFacts, fields: list[str]) -> None:
    facts.os_id, facts.os_version, facts.os_name = fields[:3]


def _set_kernel(facts: HostFacts, fields: list[str]) -> None:
    facts.kernel, facts.architecture = parse_matching(fields[0], _KERNEL), fields[1]


def _set_next_kernel(facts: HostFacts, fields: list[str]) -> None:
    facts.next_kernel = parse_matching(fields[0], _KERNEL)
    facts.next_kernel_doubt = "".join(fields[1:2])


def _set_clock(facts: HostFacts, fields: list[str]) -> None:
    facts.clock_skew_s = parse_integer(fields[0], maximum=1 << 40) - facts.observed_at


def _set_uid(facts: HostFacts, fields: list[str]) -> None:
    facts.uid = parse_integer(fields[0], maximum=1 << 32)


def _add_card(facts: HostFacts, fields: list[str]) -> None:
    parse_matching(fields[0], _ADDRESS)
    facts.cards.append(Card(*fields[:4]))


def _add_module(facts: HostFacts, fields: list[str]) -> None:
    kernel, version = fields[:2]
    facts.dkms_modules.add((kernel, version))
    if fields[2:] and fields[2]:
        facts.signed_modules.add((kernel, version))


def _add_running_card(facts: HostFacts, fields: list[str]) -> None:
    address = parse_matching(fields[0], _ADDRESS)
    facts.driver_by_card[address] = (fields[1], fields[2])
    if fields[3:]:
        facts.board_serials[address] = fields[3]
    if fields[4:] and fields[4]:
        facts.card_names[address] = fields[4]


def _add_card_user(facts: HostFacts, fields: list[str]) -> None:
    command, container = fields[1:3]
    supervisor, name, cards = [*fields[3:6], "", "", ""][:3]
    numbers = tuple(parse_integer(number, maximum=1 << 16) for number in cards.split())
    pid = parse_integer(fields[0], 1, 1 << 32)
    facts.card_users.append(CardUser(pid, command, container, supervisor, name, numbers))


def _add_orphan(facts: HostFacts, fields: list[str]) -> None:
    facts.orphaned_containers.append(fields[0])
    facts.running_orphans += filter(None, fields[1:2])
    facts.orphaned_ports |= parse_published("".join(fields[2:3]))


def _set_engine(facts: HostFacts, fields: list[str]) -> None:
    facts.engine_version, facts.engine_enabled = fields[0], fields[1] == "enabled"


def _set_docker_root(facts: HostFacts, fields: list[str]) -> None:
    if fields[0] and not fields[0].startswith("/"):
        raise ValueError("docker's root directory is not an absolute path")
    facts.docker_root = fields[0] or facts.docker_root
    if fields[3:]:
        facts.storage = EngineStorage.from_docker_info(*fields[1:4])


def _add_chain(facts: HostFacts, fields: list[str]) -> None:
    facts.image_chains.add(tuple(parse_matching(diff_id, _DIFF_ID) for diff_id in fields))


def _add_disk(facts: HostFacts, fields: list[str]) -> None:
    path = fields[0]
    facts.free_bytes[path] = parse_integer(fields[1], -1 << 63)
    if fields[2:] and fields[2] not in ("", "-"):
        facts.free_inodes[path] = parse_integer(fields[2])
    if fields[3:]:
        facts.filesystem_ids[path] = fields[3]


def _add_share(facts: HostFacts, fields: list[str]) -> None:
    facts.shared_filesystems[fields[0]] = fields[1], fields[2]


def _add_squashed_path(facts: HostFacts, fields: list[str]) -> None:
    facts.root_squashed_paths.append(f"{fields[0]} ({fields[1]})")


def _add_partial(facts: HostFacts, fields: list[str]) -> None:
    facts.partial_bytes[fields[0]] = parse_integer(fields[1])


def _add_existing(facts: HostFacts, fields: list[str]) -> None:
    facts.existing_bytes[fields[0]] = parse_integer(fields[1])


def _set_lock(facts: HostFacts, fields: list[str]) -> None:
    """Set the holder of the lock; a damaged lock file is held by somebody, too."""
    try:
        run, operator, since, lease, why, age = fields
        facts.lock = LockFacts(
            parse_matching(run, _RUN),
            operator[:200],
            since[:40],
            parse_integer(lease, maximum=999_999_999),
            why[:2000],
            parse_integer(age),
        )
    except ValueError:
        facts.lock = LockFacts("?", "?", "?", 0, _("its lock file is damaged"), 0)


def _add_job(facts: HostFacts, fields: list[str]) -> None:
    overdue_s = parse_integer(fields[4], -1 << 40, 1 << 40)
    facts.jobs.append(JobFacts(fields[0], fields[3], overdue_s, *fields[5:6]))


def _add_former_endpoint(facts: HostFacts, fields: list[str]) -> None:
    container, *told = fields
    facts.former_endpoints[container, told[0]] = parse_endpoint(told, listens=False)


#: kind of a line about the host -> what it sets; other kinds are ignored
HOST_LINES: dict[str, HostLine] = {
    "os": _set_os,
    "kernel": _set_kernel,
    "boot": _text("boot_id"),
    "machine": _text("machine_id"),
    "next": _set_next_kernel,
    "clock": _set_clock,
    "uid": _set_uid,
    "usedns": _flag("sshd_uses_dns"),
    "headers": _flag("has_headers"),
    "offered": lambda facts, fields: facts.installable_headers.add(fields[0]),
    "secureboot": _text("secure_boot"),
    "signer": _text("dkms_key"),
    "trusted": _flag("key_enrolled"),
    "tool": lambda facts, fields: facts.tools.add(fields[0]),
    "lacks": lambda facts, fields: facts.missing_build_tools.add(fields[0]),
    "card": _add_card,
    "node": lambda facts, fields: facts.device_nodes.append(fields[0]),
    "module-for": _add_module,
    "running": _add_running_card,
    "package": lambda facts, fields: facts.packages.append(Package(*fields[:3])),
    "holder": _add_card_user,
    "held": lambda facts, fields: facts.held.update({fields[0]: fields[1]}),
    "offers": lambda facts, fields: facts.offers.update({fields[0]: fields[1]}),
    "snap": _flag("docker_is_snap"),
    "engine": _set_engine,
    "engine-silent": _flag("engine_is_silent"),
    "root": _set_docker_root,
    "layers": _add_chain,
    "podman": _flag("docker_is_podman"),
    "part": _add_partial,
    "disk": _add_disk,
    "share": _add_share,
    "squashed": _add_squashed_path,
    "there": _add_existing,
    "retired": _add_orphan,
    "former": _add_former_endpoint,
    "read-only": lambda facts, fields: facts.read_only_paths.append(fields[0]),
    "lock": _set_lock,
    "job": _add_job,
}
