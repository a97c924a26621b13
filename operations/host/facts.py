"""What one host is, as its probe saw it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from fleet.release import compatibility, operating_systems
from fleet.text import sanitize
from operations.engine_storage import Storage

#: core state of a card that works
WORKS = "CN_RUNNING"


@dataclass(frozen=True)
class Card:
    address: str
    device: str
    revision: str
    subsystem: str

    @property
    def dropped(self) -> bool:
        return self.revision == "ff"

    @property
    def virtual(self) -> bool:
        """A virtual function (device id 0371, 0366): the vendor's own count leaves them out."""
        return self.device.endswith(("1", "6"))


@dataclass(frozen=True)
class Holder:
    pid: int
    command: str
    #: id of the container it runs in; empty on the host itself
    container: str
    #: "docker", "podman", "container" of somebody else, "pod", "unit"; and what it is called
    kind: str = ""
    name: str = ""

    def __str__(self) -> str:
        said = {
            "pod": f", pod {self.name}: kubelet starts it again",
            "unit": f", unit {self.name}",
        }.get(self.kind, f", container {self.name or self.container[:12]}" * bool(self.container))
        return f"{self.command} (pid {self.pid}{said})"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    status: str

    @property
    def installed(self) -> bool:
        """Whatever is wanted of it: one that is held is installed all the same."""
        words = ["ok", *self.status.split()]
        return words[-2:] == ["ok", "installed"]

    @property
    def held(self) -> bool:
        return self.status.startswith("hold ")


@dataclass(frozen=True)
class ContainerState:
    id: str
    image: str
    running: bool
    #: label of ours; "" for a container that is somebody else's
    spec: str
    #: digest of what docker says it is made of, whatever its label claims
    facts: str
    #: digest of its Python package folders
    site: str
    #: mounted paths where it shows something that the host has replaced since
    stale: tuple[str, ...]
    #: what docker said when it could not start it
    error: str = ""


@dataclass(frozen=True)
class SourceState:
    #: full commit; "" for a repository without one, "foreign" for no repository at all
    head: str
    dirty: int
    #: git's own words where it cannot say what was changed
    why: str = ""


@dataclass(frozen=True)
class LockState:
    run: str
    operator: str
    since: str
    #: seconds without a beat after which the holder counts as dead
    lease: int
    why: str
    #: seconds since the last beat, by the host's own clock
    age: int


@dataclass(frozen=True)
class JobState:
    """A step that runs on the host, in this boot, or has left something behind there.

    :param overdue: seconds past its limit
    :param stuck: processes of it that not even SIGKILL ends
    """

    run: str
    title: str
    overdue: int
    stuck: str = ""


@dataclass
class HostState:
    os: str = ""
    os_version: str = ""
    os_name: str = ""
    kernel: str = ""
    architecture: str = ""
    boot: str = ""
    #: equal for two names that lead to one machine
    machine: str = ""
    #: release of the kernel that the next boot takes; "" when nothing says so
    next_kernel: str = ""
    #: why nobody can be certain of that; "" where the boot loader says it
    next_guess: str = ""
    #: host's clock less the controller's, seconds
    skew: float = 0.0
    uid: int = -1
    #: its sshd looks up the name of whoever logs in
    use_dns: bool = False
    headers: bool = False
    #: kernels without headers, where the system's package tool knows a package of them
    offered: set[str] = field(default_factory=set)
    #: what makes the kernel refuse modules that are not signed; "" when it takes them
    secure_boot: str = ""
    #: the key that DKMS signs with, where the firmware trusts it
    signer: str = ""
    #: whether the kernel knows the site's own key; asked where it takes signed modules only
    trusted: bool = False
    tools: set[str] = field(default_factory=set)
    #: commands that build a driver and are not there
    lacks: set[str] = field(default_factory=set)
    cards: list[Card] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    #: card address -> (driver version, core state)
    running: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: card address -> serial number of its board; two cards of one board may say the same
    serials: dict[str, str] = field(default_factory=dict)
    #: card address -> its model, in the driver's own words
    names: dict[str, str] = field(default_factory=dict)
    packages: list[Package] = field(default_factory=list)
    #: packages that yum or dnf must not change -> the file that says so
    held: dict[str, str] = field(default_factory=dict)
    #: packages that the system's repositories have -> their version; asked of what is missing
    offers: dict[str, str] = field(default_factory=dict)
    #: (kernel release, driver version) that modules are built for
    built: set[tuple[str, str]] = field(default_factory=set)
    #: those of them that have a signature of the site's key
    signed: set[tuple[str, str]] = field(default_factory=set)
    holders: list[Holder] = field(default_factory=list)
    engine: str = ""
    engine_enabled: bool = False
    #: docker is snap's, and there is no other
    snap: bool = False
    #: what docker did not answer for ("image", "container"): of these nobody knows how they are
    silent: set[str] = field(default_factory=set)
    docker_root: str = "/var/lib/docker"
    #: how the engine keeps images; asked where the release's is missing
    storage: Storage = field(default_factory=Storage)
    #: `docker` is another program's: podman
    podman: bool = False
    tagged: str = ""
    image: str = ""
    container: ContainerState | None = None
    sources: dict[str, SourceState] = field(default_factory=dict)
    #: checkouts whose git does not know yet that something inside is ours
    unlisted: set[str] = field(default_factory=set)
    trees: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    #: path -> free bytes
    disk: dict[str, int] = field(default_factory=dict)
    #: path -> what tells its file system from others
    systems: dict[str, str] = field(default_factory=dict)
    #: path on a file system that other hosts can have, too -> which it is, whose marker is there
    shares: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: such paths where root may not write
    squashed: list[str] = field(default_factory=list)
    #: path -> bytes of files that are there already, right or wrong
    there: dict[str, int] = field(default_factory=dict)
    #: bytes of files whose transfer was cut, by name
    parts: dict[str, int] = field(default_factory=dict)
    #: path -> free inodes, where the file system counts them
    inodes: dict[str, int] = field(default_factory=dict)
    read_only: list[str] = field(default_factory=list)
    lock: LockState | None = None
    jobs: list[JobState] = field(default_factory=list)
    #: containers of the tool that no release of the host has any more
    retired: list[str] = field(default_factory=list)
    #: when it was looked at, by the controller's clock, in seconds since the epoch
    seen: float = field(default=0.0, compare=False)
    #: the host's other releases by their slots: the same host, asked about each of them
    beside: dict[str, HostState] = field(default_factory=dict, repr=False, compare=False)

    @property
    def containers(self) -> list[ContainerState]:
        """Those of all releases of the host, as far as they are there."""
        every = (self, *self.beside.values())
        return [state.container for state in every if state.container]

    @property
    def system(self) -> str:
        """Its name in files/systems.yml: "ubuntu16.04", "centos7"; else what it says itself."""
        return operating_systems.keys(self.os, self.os_version)[-1]

    @property
    def present(self) -> list[Card]:
        return [card for card in self.cards if not card.virtual and not card.dropped]

    def model(self, card: Card) -> str:
        """By its PCI subsystem, where that is a known one; else what the driver calls it."""
        return compatibility.model(card.subsystem) or self.names.get(card.address, "")

    @property
    def loaded(self) -> str:
        """The one version all cards run; "" when none, or when they differ."""
        versions = {version for version, _ in self.running.values()}
        return versions.pop() if len(versions) == 1 else ""

    @property
    def gone(self) -> list[str]:
        """Addresses of cards that the last smoke test saw and that are not on the bus now."""
        there = {card.address for card in self.cards}
        return [card for card in self.stamps.get("cards", "").split() if card not in there]

    @property
    def health(self) -> dict[str, str]:
        """Address of every card -> its core state, or why it has none."""
        said = dict.fromkeys(self.gone, "gone")
        for card in self.cards:
            if card.dropped:
                said[card.address] = "dropped"
            elif not card.virtual:
                _, core = self.running.get(card.address, ("", "no driver"))
                said[card.address] = core or WORKS  # a driver that does not say is believed
        return dict(sorted(said.items()))

    def has_module(self, kernel: str, version: str) -> bool:
        """Whether a kernel has a driver: in DKMS' books, and its file where modules are."""
        return (kernel, version) in self.built

    @property
    def devices(self) -> list[str]:
        return [n for n in self.nodes if n.removeprefix("/dev/cambricon_dev").isdigit()]


class ProbeError(ValueError):
    """The probe's output is not whole."""


BEGIN, END = "@@mlufleet-begin", "@@mlufleet-end"
#: every probe prints these: what lacks one is no probe, or not a whole one
ALWAYS = {"os", "kernel", "boot", "clock", "uid"}


def parse(lines: list[str], now: float) -> dict[str, HostState]:
    """A probe's output: the host as it was asked about each of its releases, by their slots.

    :param lines: all the command printed, whatever a login shell added around it
    :param now: the controller's clock, seconds since the epoch
    :raises ProbeError: a marker is missing or a line has too few fields
    """
    of_host: list[str] = []
    of_release: dict[str, list[str]] = {}
    section = of_host
    for line in _framed(lines):
        kind, _, slot = line.partition("\t")
        if kind == "release":
            section = of_release.setdefault(slot, [])
        elif kind == "host":
            section = of_host
        else:
            section.append(line)
    states = {slot: _state(of_host + said, now) for slot, said in of_release.items()}
    for slot, state in states.items():
        state.beside = {other: seen for other, seen in states.items() if other != slot}
    return states or {"": _state(of_host, now)}


def _state(lines: list[str], now: float) -> HostState:
    """What the lines of one host say of it and of one release."""
    state = HostState(seen=now)
    kinds: set[str] = set()
    stale: list[str] = []
    container: list[str] = []
    digests = {"facts": "", "site": ""}
    for line in lines:
        kind, *fields = line.split("\t")
        kinds.add(kind)
        try:
            if max(map(len, fields), default=0) > LONGEST and kind != "lock":
                raise ValueError("too long")
            if kind == "container":
                container = fields or [""]
            elif kind == "stale":
                stale.append(fields[0])
            elif kind in digests:
                digests[kind] = fields[0]
            else:
                _take(state, kind, fields, now)
        except (IndexError, ValueError, TypeError, OverflowError) as error:
            raise ProbeError(f"the probe printed {line[:200]!r}") from error
    if missing := ALWAYS - kinds:
        raise ProbeError(f"the probe did not print {', '.join(sorted(missing))}")
    if container:
        try:
            state.container = ContainerState(
                id=container[0],
                image=container[1],
                running=container[2] == "true",
                spec="" if container[4] == "-" else container[4],
                stale=tuple(stale),
                error=" ".join(str(json.loads("".join(container[5:6]) or '""')).split()),
                **digests,
            )
        except (IndexError, ValueError) as error:
            raise ProbeError(f"the probe printed container {container!r}") from error
    return state


def _framed(lines: list[str]) -> list[str]:
    """What stands between the markers.

    The last beginning counts: a banner may show an earlier probe, and that one must not be taken
    for this one where this one was cut.
    """
    text = [sanitize.line(line.rstrip("\r\n")) for line in lines]
    begins = [number for number, line in enumerate(text) if line == BEGIN]
    if not begins:
        raise ProbeError("the probe's markers are not in its output")
    try:
        end = text.index(END, begins[-1])
    except ValueError:
        raise ProbeError("the probe's output has no end") from None
    if end - begins[-1] > MOST:
        raise ProbeError(f"the probe printed more than {MOST:,} lines")
    return text[begins[-1] + 1 : end]


#: characters of one field, and lines of a probe, that are believed
LONGEST, MOST = 4096, 100_000
_ADDRESS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]")
_KERNEL = re.compile(r"[\w.+~:@-]{1,128}", re.ASCII)
_RUN = re.compile(r"[\w.+:@-]{1,128}", re.ASCII)


def number(text: str, least: int = 0, most: int = 1 << 63) -> int:
    """:raises ValueError: it is none, written in ASCII digits, of that range"""
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise ValueError(f"{text[:40]!r} is no number from {least} to {most}")
    return int(text)


def known(text: str, form: re.Pattern[str]) -> str:
    """:raises ValueError: it has another form"""
    if not form.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not {form.pattern}")
    return text


def _lock(fields: list[str]) -> LockState:
    """A lock that cannot be read hides no host: somebody holds it, by a file that is damaged."""
    try:
        run, operator, since, lease, why, age = fields
        return LockState(
            known(run, _RUN),
            operator[:200],
            since[:40],
            number(lease, most=999_999_999),
            why[:2000],
            number(age),
        )
    except ValueError:
        return LockState("?", "?", "?", 0, "its lock file is damaged", 0)


def _take(state: HostState, kind: str, fields: list[str], now: float) -> None:
    if kind == "os":
        state.os, state.os_version, state.os_name = fields[:3]
    elif kind == "kernel":
        state.kernel, state.architecture = known(fields[0], _KERNEL), fields[1]
    elif kind == "boot":
        state.boot = fields[0]
    elif kind == "machine":
        state.machine = fields[0]
    elif kind == "next":
        state.next_kernel = known(fields[0], _KERNEL)
        state.next_guess = "".join(fields[1:2])
    elif kind == "clock":
        state.skew = number(fields[0], most=1 << 40) - now
    elif kind == "uid":
        state.uid = number(fields[0], most=1 << 32)
    elif kind == "usedns":
        state.use_dns = True
    elif kind == "headers":
        state.headers = True
    elif kind == "offered":
        state.offered.add(fields[0])
    elif kind == "secureboot":
        state.secure_boot = fields[0]
    elif kind == "signer":
        state.signer = fields[0]
    elif kind == "trusted":
        state.trusted = True
    elif kind == "tool":
        state.tools.add(fields[0])
    elif kind == "lacks":
        state.lacks.add(fields[0])
    elif kind == "card":
        known(fields[0], _ADDRESS)
        state.cards.append(Card(*fields[:4]))
    elif kind == "node":
        state.nodes.append(fields[0])
    elif kind == "module-for":
        state.built.add((fields[0], fields[1]))
        if fields[2:] and fields[2]:
            state.signed.add((fields[0], fields[1]))
    elif kind == "running":
        state.running[known(fields[0], _ADDRESS)] = (fields[1], fields[2])
        if fields[3:]:
            state.serials[fields[0]] = fields[3]
        if fields[4:] and fields[4]:
            state.names[fields[0]] = fields[4]
    elif kind == "package":
        state.packages.append(Package(*fields[:3]))
    elif kind == "holder":
        state.holders.append(Holder(number(fields[0], 1, 1 << 32), *fields[1:5]))
    elif kind in ("held", "offers"):
        getattr(state, kind)[fields[0]] = fields[1]
    elif kind == "snap":
        state.snap = True
    elif kind == "engine":
        state.engine, state.engine_enabled = fields[0], fields[1] == "enabled"
    elif kind == "silent":
        state.silent.add(fields[0])
    elif kind == "root":
        if fields[0] and not fields[0].startswith("/"):
            raise ValueError("docker's folder is no absolute path")
        state.docker_root = fields[0] or state.docker_root
        if fields[3:]:
            state.storage = Storage.of(*fields[1:4])
    elif kind == "podman":
        state.podman = True
    elif kind in ("tagged", "image"):
        setattr(state, kind, fields[0])
    elif kind == "source":
        state.sources[fields[0]] = SourceState(fields[1], number(fields[2]), *fields[3:4])
    elif kind == "unlisted":
        state.unlisted.add(fields[0])
    elif kind in ("tree", "file", "stamp"):
        getattr(state, f"{kind}s")[fields[0]] = fields[1]
    elif kind == "part":
        state.parts[fields[0]] = number(fields[1])
    elif kind == "disk":
        state.disk[fields[0]] = number(fields[1], -1 << 63)
        if fields[2:] and fields[2] not in ("", "-"):
            state.inodes[fields[0]] = number(fields[2])
        if fields[3:]:
            state.systems[fields[0]] = fields[3]
    elif kind == "share":
        state.shares[fields[0]] = fields[1], fields[2]
    elif kind == "squashed":
        state.squashed.append(f"{fields[0]} ({fields[1]})")
    elif kind == "there":
        state.there[fields[0]] = number(fields[1])
    elif kind == "retired":
        state.retired.append(fields[0])
    elif kind == "read-only":
        state.read_only.append(fields[0])
    elif kind == "lock":
        state.lock = _lock(fields)
    elif kind == "job":
        state.jobs.append(
            JobState(fields[0], fields[3], number(fields[4], -1 << 40, 1 << 40), *fields[5:6])
        )
