"""What one host is, as its probe saw it."""

from __future__ import annotations

from dataclasses import dataclass, field


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
        return self.device[-1] in "16"


@dataclass(frozen=True)
class Holder:
    pid: int
    command: str
    #: id of the container it runs in; empty on the host itself
    container: str


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    status: str

    @property
    def installed(self) -> bool:
        return self.status in ("installed", "install ok installed")


@dataclass(frozen=True)
class ContainerState:
    id: str
    image: str
    running: bool
    #: label of ours; "" for a container that is somebody else's
    spec: str
    #: mounted paths where it shows something that the host has replaced since
    stale: tuple[str, ...]


@dataclass(frozen=True)
class SourceState:
    #: full commit; "" for a repository without one, "foreign" for no repository at all
    head: str
    dirty: int


@dataclass
class HostState:
    os: str = ""
    os_version: str = ""
    os_name: str = ""
    kernel: str = ""
    architecture: str = ""
    boot: str = ""
    #: host's clock less the controller's, seconds
    skew: float = 0.0
    uid: int = -1
    headers: bool = False
    secure_boot: bool = False
    tools: set[str] = field(default_factory=set)
    cards: list[Card] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    module: bool = False
    #: card address -> (driver version, core state)
    running: dict[str, tuple[str, str]] = field(default_factory=dict)
    packages: list[Package] = field(default_factory=list)
    holders: list[Holder] = field(default_factory=list)
    engine: str = ""
    engine_enabled: bool = False
    docker_root: str = "/var/lib/docker"
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

    @property
    def system(self) -> str:
        """Key into driver.packages: "ubuntu16.04", "centos7"."""
        return f"{self.os}{self.os_version}"

    @property
    def present(self) -> list[Card]:
        return [card for card in self.cards if not card.virtual and not card.dropped]

    @property
    def loaded(self) -> str:
        """The one version all cards run; "" when none, or when they differ."""
        versions = {version for version, _ in self.running.values()}
        return versions.pop() if len(versions) == 1 else ""

    @property
    def devices(self) -> list[str]:
        return [n for n in self.nodes if n.removeprefix("/dev/cambricon_dev").isdigit()]


class ProbeError(ValueError):
    """The probe's output is not whole."""


BEGIN, END = "@@mlufleet-begin", "@@mlufleet-end"


def parse(lines: list[str], now: float) -> HostState:
    """A probe's output.

    :param lines: all the command printed, whatever a login shell added around it
    :param now: the controller's clock, seconds since the epoch
    :raises ProbeError: a marker is missing or a line has too few fields
    """
    text = [line.rstrip("\r\n") for line in lines]
    if BEGIN not in text or END not in text:
        raise ProbeError("the probe's markers are not in its output")
    start = text.index(BEGIN)
    state = HostState()
    stale: list[str] = []
    container: list[str] = []
    for line in text[start + 1 : text.index(END, start)]:
        kind, *fields = line.split("\t")
        try:
            if kind == "container":
                container = fields
            elif kind == "stale":
                stale.append(fields[0])
            else:
                _take(state, kind, fields, now)
        except (IndexError, ValueError) as error:
            raise ProbeError(f"the probe printed {line!r}") from error
    if container:
        try:
            state.container = ContainerState(
                id=container[0], image=container[1], running=container[2] == "true",
                spec="" if container[4] == "-" else container[4], stale=tuple(stale),
            )  # fmt: skip
        except IndexError as error:
            raise ProbeError(f"the probe printed container {container!r}") from error
    return state


def _take(state: HostState, kind: str, fields: list[str], now: float) -> None:
    if kind == "os":
        state.os, state.os_version, state.os_name = fields[:3]
    elif kind == "kernel":
        state.kernel, state.architecture = fields[:2]
    elif kind == "boot":
        state.boot = f"{fields[0]}:{fields[1]}"
    elif kind == "clock":
        state.skew = int(fields[0]) - now
    elif kind == "uid":
        state.uid = int(fields[0])
    elif kind == "headers":
        state.headers = True
    elif kind == "secureboot":
        state.secure_boot = fields[0] == "1"
    elif kind == "tool":
        state.tools.add(fields[0])
    elif kind == "card":
        state.cards.append(Card(*fields[:4]))
    elif kind == "node":
        state.nodes.append(fields[0])
    elif kind == "module":
        state.module = True
    elif kind == "running":
        state.running[fields[0]] = (fields[1], fields[2])
    elif kind == "package":
        state.packages.append(Package(*fields[:3]))
    elif kind == "holder":
        state.holders.append(Holder(int(fields[0]), fields[1], fields[2]))
    elif kind == "engine":
        state.engine, state.engine_enabled = fields[0], fields[1] == "enabled"
    elif kind == "root":
        state.docker_root = fields[0] or state.docker_root
    elif kind in ("tagged", "image"):
        setattr(state, kind, fields[0])
    elif kind == "source":
        state.sources[fields[0]] = SourceState(fields[1], int(fields[2]))
    elif kind == "unlisted":
        state.unlisted.add(fields[0])
    elif kind in ("tree", "file", "stamp"):
        getattr(state, f"{kind}s")[fields[0]] = fields[1]
    elif kind == "disk":
        state.disk[fields[0]] = int(float(fields[1]))
