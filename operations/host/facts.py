"""What one host is, as its probe saw it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from typing_extensions import override

from fleet.release import compatibility, operating_systems
from fleet.text import sanitize
from operations.engine_storage import EngineStorage

#: core state of a card that works
CARD_RUNNING = "CN_RUNNING"


@dataclass(frozen=True)
class Card:
    address: str
    device: str
    revision: str
    subsystem: str

    @property
    def is_dropped(self) -> bool:
        return self.revision == "ff"

    @property
    def is_virtual(self) -> bool:
        """A virtual function (device id 0371, 0366): the vendor's own count leaves them out."""
        return self.device.endswith(("1", "6"))


@dataclass(frozen=True)
class CardUser:
    pid: int
    command: str
    #: id of the container it runs in; empty on the host itself
    container: str
    #: "docker", "podman", "container" of somebody else, "pod", "unit"; and what it is called
    supervisor: str = ""
    supervisor_name: str = ""

    @override
    def __str__(self) -> str:
        said = {
            "pod": f", pod {self.supervisor_name}: kubelet starts it again",
            "unit": f", unit {self.supervisor_name}",
        }.get(
            self.supervisor,
            f", container {self.supervisor_name or self.container[:12]}" * bool(self.container),
        )
        return f"{self.command} (pid {self.pid}{said})"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    status: str

    @property
    def is_installed(self) -> bool:
        """Whatever is wanted of it: one that is held is installed all the same."""
        words = ["ok", *self.status.split()]
        return words[-2:] == ["ok", "installed"]

    @property
    def is_held(self) -> bool:
        return self.status.startswith("hold ")


@dataclass(frozen=True)
class ContainerFacts:
    id: str
    image: str
    running: bool
    #: label of ours; "" for a container that is somebody else's
    spec_digest: str
    #: digest of what docker says it is made of, whatever its label claims
    facts: str
    #: digest of its Python package folders
    site: str
    #: mounted paths where it shows something that the host has replaced since
    stale_mounts: tuple[str, ...]
    #: what docker said when it could not start it
    error: str = ""


@dataclass(frozen=True)
class SourceFacts:
    #: full commit; "" for a repository without one, "foreign" for no repository at all
    head: str
    changed_files: int
    #: git's own words where it cannot say what was changed
    status_error: str = ""


@dataclass(frozen=True)
class LockFacts:
    run: str
    operator: str
    since: str
    #: seconds without a beat after which the holder counts as dead
    lease: int
    why: str
    #: seconds since the last beat, by the host's own clock
    age: int


@dataclass(frozen=True)
class JobFacts:
    """A step that runs on the host, in this boot, or has left something behind there.

    :param overdue: seconds past its limit
    :param stuck: processes of it that not even SIGKILL ends
    """

    run: str
    title: str
    overdue_s: int
    stuck_processes: str = ""


@dataclass
class ReleaseFacts:
    """What the probe found of one release on a host."""

    #: id of the image that has the release's reference
    tagged: str = ""
    #: id of the lock's image; "" where the engine does not have it
    image: str = ""
    container: ContainerFacts | None = None
    #: path on the host -> checkout
    sources: dict[str, SourceFacts] = field(default_factory=dict)
    #: checkouts whose git does not know yet that something inside is ours
    missing_git_excludes: set[str] = field(default_factory=set)
    #: path of a migrated tree or of weights -> its signature
    trees: dict[str, str] = field(default_factory=dict)
    #: path, or "CONTAINER:PATH" -> sha256
    files: dict[str, str] = field(default_factory=dict)
    #: name -> what the tool recorded on the host
    stamps: dict[str, str] = field(default_factory=dict)
    #: docker queries that timed out ("image", "container"); their answers are unknown
    unanswered_queries: set[str] = field(default_factory=set)


@dataclass
class HostFacts:
    os_id: str = ""
    os_version: str = ""
    os_name: str = ""
    kernel: str = ""
    architecture: str = ""
    boot_id: str = ""
    #: equal for two names that lead to one machine
    machine_id: str = ""
    #: release of the kernel that the next boot takes; "" when nothing says so
    next_kernel: str = ""
    #: why nobody can be certain of that; "" where the boot loader says it
    next_kernel_doubt: str = ""
    #: host's clock less the controller's, seconds
    clock_skew_s: float = 0.0
    uid: int = -1
    #: its sshd looks up the name of whoever logs in
    sshd_uses_dns: bool = False
    has_headers: bool = False
    #: kernels without headers, where the system's package tool knows a package of them
    installable_headers: set[str] = field(default_factory=set)
    #: what makes the kernel refuse modules that are not signed; "" when it takes them
    secure_boot: str = ""
    #: the key that DKMS signs with, where the firmware trusts it
    dkms_key: str = ""
    #: whether the kernel knows the site's own key; asked where it takes signed modules only
    key_enrolled: bool = False
    tools: set[str] = field(default_factory=set)
    #: commands that build a driver and are not there
    missing_build_tools: set[str] = field(default_factory=set)
    cards: list[Card] = field(default_factory=list)
    device_nodes: list[str] = field(default_factory=list)
    #: card address -> (driver version, core state)
    driver_by_card: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: card address -> serial number of its board; two cards of one board may say the same
    board_serials: dict[str, str] = field(default_factory=dict)
    #: card address -> its model, in the driver's own words
    card_names: dict[str, str] = field(default_factory=dict)
    packages: list[Package] = field(default_factory=list)
    #: packages that yum or dnf must not change -> the file that says so
    held: dict[str, str] = field(default_factory=dict)
    #: packages that the system's repositories have -> their version; asked of what is missing
    offers: dict[str, str] = field(default_factory=dict)
    #: (kernel release, driver version) that modules are built for
    dkms_modules: set[tuple[str, str]] = field(default_factory=set)
    #: those of them that have a signature of the site's key
    signed_modules: set[tuple[str, str]] = field(default_factory=set)
    card_users: list[CardUser] = field(default_factory=list)
    engine_version: str = ""
    engine_enabled: bool = False
    #: docker is snap's, and there is no other
    docker_is_snap: bool = False
    docker_root: str = "/var/lib/docker"
    #: how the engine keeps images; asked where the release's is missing
    storage: EngineStorage = field(default_factory=EngineStorage)
    #: `docker` is another program's: podman
    docker_is_podman: bool = False
    #: path -> free bytes
    free_bytes: dict[str, int] = field(default_factory=dict)
    #: path -> what tells its file system from others
    filesystem_ids: dict[str, str] = field(default_factory=dict)
    #: path on a file system that other hosts can have, too -> which it is, whose marker is there
    shared_filesystems: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: such paths where root may not write
    root_squashed_paths: list[str] = field(default_factory=list)
    #: path -> bytes of files that are there already, right or wrong
    existing_bytes: dict[str, int] = field(default_factory=dict)
    #: bytes of files whose transfer was cut, by name
    partial_bytes: dict[str, int] = field(default_factory=dict)
    #: path -> free inodes, where the file system counts them
    free_inodes: dict[str, int] = field(default_factory=dict)
    read_only_paths: list[str] = field(default_factory=list)
    lock: LockFacts | None = None
    jobs: list[JobFacts] = field(default_factory=list)
    #: containers of the tool that no release of the host has any more
    orphaned_containers: list[str] = field(default_factory=list)
    #: when it was looked at, by the controller's clock, in seconds since the epoch
    observed_at: float = field(default=0.0, compare=False)
    #: names of the inventory that lead to this machine, as far as they were probed; grows in a run
    machine_names: set[str] = field(default_factory=set, compare=False, repr=False)
    #: shared file system -> names of the inventory that have it; grows in a run
    filesystem_names: dict[str, set[str]] = field(default_factory=dict, compare=False, repr=False)
    #: key of a release -> what was found of it; in the order of the target's releases
    releases: dict[str, ReleaseFacts] = field(default_factory=dict)

    @property
    def containers(self) -> list[ContainerFacts]:
        """The containers of all releases of the host that exist."""
        return [found.container for found in self.releases.values() if found.container]

    @property
    def stamps(self) -> dict[str, str]:
        """Stamps about the host as a whole; they lie with those of its first release."""
        return next((found.stamps for found in self.releases.values()), {})

    @property
    def os_key(self) -> str:
        """Its name in files/systems.yml: "ubuntu16.04", "centos7"; else what it says itself."""
        return operating_systems.list_keys(self.os_id, self.os_version)[-1]

    @property
    def present_cards(self) -> list[Card]:
        return [card for card in self.cards if not card.is_virtual and not card.is_dropped]

    def card_model(self, card: Card) -> str:
        """By its PCI subsystem, where that is a known one; else what the driver calls it."""
        return compatibility.find_card_model(card.subsystem) or self.card_names.get(
            card.address, ""
        )

    @property
    def loaded_driver(self) -> str:
        """The one version all cards run; "" when none, or when they differ."""
        versions = {version for version, _ in self.driver_by_card.values()}
        return versions.pop() if len(versions) == 1 else ""

    @property
    def missing_cards(self) -> list[str]:
        """Addresses of cards that the last smoke test saw and that are not on the bus now."""
        there = {card.address for card in self.cards}
        return [card for card in self.stamps.get("cards", "").split() if card not in there]

    @property
    def card_health(self) -> dict[str, str]:
        """Address of every card -> its core state, or why it has none."""
        said = dict.fromkeys(self.missing_cards, "gone")
        for card in self.cards:
            if card.is_dropped:
                said[card.address] = "dropped"
            elif not card.is_virtual:
                _, core = self.driver_by_card.get(card.address, ("", "no driver"))
                said[card.address] = core or CARD_RUNNING  # a driver that does not say is believed
        return dict(sorted(said.items()))

    def has_module(self, kernel: str, version: str) -> bool:
        """Whether a kernel has a driver: in DKMS' books, and its file where modules are."""
        return (kernel, version) in self.dkms_modules

    @property
    def card_devices(self) -> list[str]:
        return [n for n in self.device_nodes if n.removeprefix("/dev/cambricon_dev").isdigit()]


class ProbeError(ValueError):
    """The probe's output is not whole."""


BEGIN_MARKER, END_MARKER = "@@mlufleet-begin", "@@mlufleet-end"
#: every probe prints these: what lacks one is no probe, or not a whole one
REQUIRED_KINDS = {"os", "kernel", "boot", "clock", "uid"}


def parse(lines: list[str], now: float) -> HostFacts:
    """Parse the output of a probe.

    Args:
        lines: Everything the command printed, whatever a login shell added around it.
        now: The controller's clock, in seconds since the epoch.

    Returns:
        The host, with the facts of every release that the probe was asked about; with those of
        one release named "" if it was asked about none.

    Raises:
        ProbeError: A marker or a required line is missing, or a line has wrong fields.
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
            elif not section.apply_line(kind, fields):
                _apply_line(facts, kind, fields, now)
        except (IndexError, ValueError, TypeError, OverflowError) as error:
            raise ProbeError(f"the probe printed {line[:200]!r}") from error
    if missing := REQUIRED_KINDS - kinds:
        raise ProbeError(f"the probe did not print {', '.join(sorted(missing))}")
    facts.releases = {key: found.finish() for key, found in (sections or {"": outside}).items()}
    return facts


class _ReleaseSection:
    """Collects the lines about one release."""

    def __init__(self) -> None:
        self.facts = ReleaseFacts()
        self.container: list[str] = []
        self.stale_mounts: list[str] = []
        self.digests = {"facts": "", "site": ""}

    def apply_line(self, kind: str, fields: list[str]) -> bool:
        """Take one line; return whether it is about a release."""
        facts = self.facts
        if kind == "container":
            self.container = fields or [""]
        elif kind == "stale":
            self.stale_mounts.append(fields[0])
        elif kind in self.digests:
            self.digests[kind] = fields[0]
        elif kind == "tagged":
            facts.tagged = fields[0]
        elif kind == "image":
            facts.image = fields[0]
        elif kind == "source":
            facts.sources[fields[0]] = SourceFacts(
                fields[1], parse_integer(fields[2]), *fields[3:4]
            )
        elif kind == "unlisted":
            facts.missing_git_excludes.add(fields[0])
        elif kind == "tree":
            facts.trees[fields[0]] = fields[1]
        elif kind == "file":
            facts.files[fields[0]] = fields[1]
        elif kind == "stamp":
            facts.stamps[fields[0]] = fields[1]
        elif kind == "silent":
            facts.unanswered_queries.add(fields[0])
        else:
            return False
        return True

    def finish(self) -> ReleaseFacts:
        """Return the facts, once all lines have been read."""
        fields = self.container
        if fields:
            try:
                text = str(json.loads("".join(fields[5:6]) or '""'))
                self.facts.container = ContainerFacts(
                    id=fields[0],
                    image=fields[1],
                    running=fields[2] == "true",
                    spec_digest="" if fields[4] == "-" else fields[4],
                    stale_mounts=tuple(self.stale_mounts),
                    error=" ".join(text.split()),
                    **self.digests,
                )
            except (IndexError, ValueError) as error:
                raise ProbeError(f"the probe printed container {fields!r}") from error
        return self.facts


def _between_markers(lines: list[str]) -> list[str]:
    """What stands between the markers.

    The last beginning counts: a banner may show an earlier probe, and that one must not be taken
    for this one where this one was cut.
    """
    text = [sanitize.escape_line(line.rstrip("\r\n")) for line in lines]
    begins = [number for number, line in enumerate(text) if line == BEGIN_MARKER]
    if not begins:
        raise ProbeError("the probe's markers are not in its output")
    try:
        end = text.index(END_MARKER, begins[-1])
    except ValueError:
        raise ProbeError("the probe's output has no end") from None
    if end - begins[-1] > MAX_PROBE_LINES:
        raise ProbeError(f"the probe printed more than {MAX_PROBE_LINES:,} lines")
    return text[begins[-1] + 1 : end]


#: characters of one field, and lines of a probe, that are believed
MAX_FIELD_CHARS, MAX_PROBE_LINES = 4096, 100_000
_ADDRESS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]")
_KERNEL = re.compile(r"[\w.+~:@-]{1,128}", re.ASCII)
_RUN = re.compile(r"[\w.+:@-]{1,128}", re.ASCII)


def parse_integer(text: str, minimum: int = 0, maximum: int = 1 << 63) -> int:
    """:raises ValueError: it is none, written in ASCII digits, of that range"""
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or not minimum <= int(text) <= maximum:
        raise ValueError(f"{text[:40]!r} is no number from {minimum} to {maximum}")
    return int(text)


def parse_matching(text: str, pattern: re.Pattern[str]) -> str:
    """:raises ValueError: it has another form"""
    if not pattern.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not {pattern.pattern}")
    return text


def _parse_lock(fields: list[str]) -> LockFacts:
    """A lock that cannot be read hides no host: somebody holds it, by a file that is damaged."""
    try:
        run, operator, since, lease, why, age = fields
        return LockFacts(
            parse_matching(run, _RUN),
            operator[:200],
            since[:40],
            parse_integer(lease, maximum=999_999_999),
            why[:2000],
            parse_integer(age),
        )
    except ValueError:
        return LockFacts("?", "?", "?", 0, "its lock file is damaged", 0)


def _apply_line(state: HostFacts, kind: str, fields: list[str], now: float) -> None:
    if kind == "os":
        state.os_id, state.os_version, state.os_name = fields[:3]
    elif kind == "kernel":
        state.kernel, state.architecture = parse_matching(fields[0], _KERNEL), fields[1]
    elif kind == "boot":
        state.boot_id = fields[0]
    elif kind == "machine":
        state.machine_id = fields[0]
    elif kind == "next":
        state.next_kernel = parse_matching(fields[0], _KERNEL)
        state.next_kernel_doubt = "".join(fields[1:2])
    elif kind == "clock":
        state.clock_skew_s = parse_integer(fields[0], maximum=1 << 40) - now
    elif kind == "uid":
        state.uid = parse_integer(fields[0], maximum=1 << 32)
    elif kind == "usedns":
        state.sshd_uses_dns = True
    elif kind == "headers":
        state.has_headers = True
    elif kind == "offered":
        state.installable_headers.add(fields[0])
    elif kind == "secureboot":
        state.secure_boot = fields[0]
    elif kind == "signer":
        state.dkms_key = fields[0]
    elif kind == "trusted":
        state.key_enrolled = True
    elif kind == "tool":
        state.tools.add(fields[0])
    elif kind == "lacks":
        state.missing_build_tools.add(fields[0])
    elif kind == "card":
        parse_matching(fields[0], _ADDRESS)
        state.cards.append(Card(*fields[:4]))
    elif kind == "node":
        state.device_nodes.append(fields[0])
    elif kind == "module-for":
        state.dkms_modules.add((fields[0], fields[1]))
        if fields[2:] and fields[2]:
            state.signed_modules.add((fields[0], fields[1]))
    elif kind == "running":
        state.driver_by_card[parse_matching(fields[0], _ADDRESS)] = (fields[1], fields[2])
        if fields[3:]:
            state.board_serials[fields[0]] = fields[3]
        if fields[4:] and fields[4]:
            state.card_names[fields[0]] = fields[4]
    elif kind == "package":
        state.packages.append(Package(*fields[:3]))
    elif kind == "holder":
        state.card_users.append(CardUser(parse_integer(fields[0], 1, 1 << 32), *fields[1:5]))
    elif kind in ("held", "offers"):
        getattr(state, kind)[fields[0]] = fields[1]
    elif kind == "snap":
        state.docker_is_snap = True
    elif kind == "engine":
        state.engine_version, state.engine_enabled = fields[0], fields[1] == "enabled"
    elif kind == "root":
        if fields[0] and not fields[0].startswith("/"):
            raise ValueError("docker's folder is no absolute path")
        state.docker_root = fields[0] or state.docker_root
        if fields[3:]:
            state.storage = EngineStorage.from_docker_info(*fields[1:4])
    elif kind == "podman":
        state.docker_is_podman = True
    elif kind == "part":
        state.partial_bytes[fields[0]] = parse_integer(fields[1])
    elif kind == "disk":
        state.free_bytes[fields[0]] = parse_integer(fields[1], -1 << 63)
        if fields[2:] and fields[2] not in ("", "-"):
            state.free_inodes[fields[0]] = parse_integer(fields[2])
        if fields[3:]:
            state.filesystem_ids[fields[0]] = fields[3]
    elif kind == "share":
        state.shared_filesystems[fields[0]] = fields[1], fields[2]
    elif kind == "squashed":
        state.root_squashed_paths.append(f"{fields[0]} ({fields[1]})")
    elif kind == "there":
        state.existing_bytes[fields[0]] = parse_integer(fields[1])
    elif kind == "retired":
        state.orphaned_containers.append(fields[0])
    elif kind == "read-only":
        state.read_only_paths.append(fields[0])
    elif kind == "lock":
        state.lock = _parse_lock(fields)
    elif kind == "job":
        state.jobs.append(
            JobFacts(
                fields[0], fields[3], parse_integer(fields[4], -1 << 40, 1 << 40), *fields[5:6]
            )
        )
