"""The facts of a host, as its probe reports them."""

from __future__ import annotations

from dataclasses import dataclass, field

from typing_extensions import override

from fleet.language import N_, _, n_
from fleet.release import compatibility, operating_systems
from fleet.vendor.cnmon import CARD_RUNNING
from operations.host.engine_storage import EngineStorage

#: seconds that docker lets a container end whose options name no time
DEFAULT_STOP_TIMEOUT_S = 10
#: seconds beyond that after which docker has stopped a container, or is broken
STOP_LIMIT_S = 600


@dataclass(frozen=True)
class Card:
    """A card on the PCI bus.

    Attributes:
        address: its PCI address
        device: PCI device id
        revision: PCI revision; "ff" if the card does not answer
        subsystem: PCI subsystem id, which tells the models apart
    """

    address: str
    device: str
    revision: str
    subsystem: str

    @property
    def is_dropped(self) -> bool:
        """Whether the card has dropped off the bus."""
        return self.revision == "ff"

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual function (device id 0371, 0366), which cnmon does not count."""
        return self.device.endswith(("1", "6"))


@dataclass(frozen=True)
class CardUser:
    """A process that has a card's device node open.

    Attributes:
        pid: its process id
        command: name of its program
        container: id of the container that it runs in; "" on the host itself
        supervisor: what would restart it: "docker", "podman", "container" for another engine,
            "pod", "unit"; "" for nothing
        supervisor_name: name of that container, pod or unit
        cards: numbers of the cards whose nodes it has open; the control node alone is no card
    """

    pid: int
    command: str
    container: str
    supervisor: str = ""
    supervisor_name: str = ""
    cards: tuple[int, ...] = ()

    @override
    def __str__(self) -> str:
        if self.supervisor == "pod":
            words = N_("{command} (pid {pid}, pod {name}: kubelet restarts it)")
        elif self.supervisor == "unit":
            words = N_("{command} (pid {pid}, unit {name})")
        elif self.container:
            words = N_("{command} (pid {pid}, container {name})")
        else:
            words = N_("{command} (pid {pid})")
        name = self.supervisor_name or self.container[:12]
        return _(words, command=self.command, pid=self.pid, name=name)


@dataclass(frozen=True)
class Package:
    """A package of the operating system.

    Attributes:
        name: its name
        version: the version that is installed
        status: as dpkg reports it: "hold ok installed"; "installed" for an rpm
    """

    name: str
    version: str
    status: str

    @property
    def is_installed(self) -> bool:
        """Whether it is completely installed, held or not."""
        words = ["ok", *self.status.split()]
        return words[-2:] == ["ok", "installed"]

    @property
    def is_held(self) -> bool:
        """Whether dpkg must not change it."""
        return self.status.startswith("hold ")


@dataclass(frozen=True)
class ContainerFacts:
    """The container of a release.

    Attributes:
        id: its id
        image: id of its image
        running: whether it runs, and is not paused
        has_process: whether it runs or is paused
        spec_digest: digest of its definition, from a label; "" for a container of somebody else
        config_digest: digest of its actual configuration, whatever its label claims
        packages_digest: digest of its Python package directories
        stale_mounts: mounted paths that show what the host has replaced since
        error: why docker could not start it
        has_suite: whether the vendor's validation suite (CNVS) is in it
        stop_timeout_s: seconds that docker lets it end before it kills it
        published: addresses and TCP ports of the host that lead into it
    """

    id: str
    image: str
    running: bool
    spec_digest: str
    config_digest: str
    packages_digest: str
    stale_mounts: tuple[str, ...]
    error: str = ""
    has_suite: bool = False
    has_process: bool = False
    stop_timeout_s: int = DEFAULT_STOP_TIMEOUT_S
    published: frozenset[tuple[str, int]] = frozenset()

    @property
    def stop_limit_s(self) -> int:
        """Seconds after which docker has stopped it, or is broken."""
        return STOP_LIMIT_S + self.stop_timeout_s

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else made it."""
        return not self.spec_digest


@dataclass(frozen=True)
class EndpointFacts:
    """What the supervisor in a container says of one instance of its server.

    Times are in seconds since the epoch, by the host's clock; 0 for never.

    Attributes:
        name: its number, from 0
        definition: digest of the definition that it was started from
        state: "loading", "ready", "unhealthy", "draining", "stopped", or "failed" once the
            supervisor has given up
        listens: whether something in the container listens on its port
        pid: process id of the server in the container; 0 for none
        started: when the process was started
        ready_s: seconds from then until it was ready; -1 if it has not been
        restarts: how often it was started again since the supervisor started it first
        answered: when it last gave the expected answer
        code: failure code of what is wrong; "" for nothing
        reason: the details of that
    """

    name: str
    definition: str
    state: str
    listens: bool
    pid: int = 0
    started: int = 0
    ready_s: float = -1
    restarts: int = 0
    answered: int = 0
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class SourceFacts:
    """A checkout.

    Attributes:
        head: full commit; "" for a repository without one, "foreign" for no repository
        changed_files: number of files that differ from it
        status_error: git's message if it cannot tell what was changed
        has_pin: whether it has the commit of the release, without being at it
        operation: "merge", "rebase" or another that was begun and not finished; "interrupted" if
            an earlier run was cut short in it
        changes: the first of these files, as `git status --porcelain` lists them
        edits: the first lines that were added and removed
    """

    head: str
    changed_files: int
    status_error: str = ""
    has_pin: bool = False
    operation: str = ""
    changes: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()

    @property
    def is_interrupted(self) -> bool:
        """Whether an earlier run was cut short while it worked in the checkout."""
        return self.operation == "interrupted"

    @property
    def change_summary(self) -> str:
        """How many files differ, and the names of the first."""
        count = n_("{count} path", "{count} paths", self.changed_files)
        shown = [" ".join(change.split(maxsplit=1)) for change in self.changes[:5]]
        if not shown:
            return count
        return f"{count}: {', '.join(shown)}" + ", …" * (self.changed_files > len(shown))


@dataclass(frozen=True)
class LockFacts:
    """The host lock. Its fields are part of the journal.

    Attributes:
        run: id of the run that holds it
        operator: user@machine
        since: when it was taken, in UTC by the host's clock
        lease: seconds without a heartbeat after which the holder counts as dead
        why: the command that the operator gave
        age: seconds since the last heartbeat, by the host's clock
    """

    run: str
    operator: str
    since: str
    lease: int
    why: str
    age: int

    @property
    def is_alive(self) -> bool:
        """Whether its holder has been heard of within the lease."""
        return self.age <= self.lease


@dataclass(frozen=True)
class JobFacts:
    """A job that runs on the host in this boot, or has left processes behind.

    Attributes:
        run: id of the run that started it
        title: what it does
        overdue_s: seconds past its time limit; negative before that
        stuck_processes: processes that even SIGKILL does not end
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
    #: digest of the definition of its servers on the host; "" for none
    serve_definition: str = ""
    #: name of an instance of its server -> what is known of it
    endpoints: dict[str, EndpointFacts] = field(default_factory=dict)
    #: TCP ports of the host that are those of its servers -> addresses on which something listens
    used_ports: dict[int, set[str]] = field(default_factory=dict)
    #: docker queries that timed out ("image", "container"); their answers are unknown
    unanswered_queries: set[str] = field(default_factory=set)


@dataclass
class HostFacts:
    """What the probe found of a host."""

    #: `ID` of /etc/os-release
    os_id: str = ""
    #: `VERSION_ID` of /etc/os-release
    os_version: str = ""
    #: `PRETTY_NAME` of /etc/os-release
    os_name: str = ""
    #: release of the running kernel
    kernel: str = ""
    #: machine hardware name, such as x86_64
    architecture: str = ""
    #: differs between two boots of a host
    boot_id: str = ""
    #: equal for two names that lead to one machine
    machine_id: str = ""
    #: release of the kernel that boots next; "" if unknown
    next_kernel: str = ""
    #: why that is uncertain; "" if the boot loader's configuration names it
    next_kernel_doubt: str = ""
    #: seconds by which the host's clock is ahead of the controller's
    clock_skew_s: float = 0.0
    #: user id that commands run as; -1 if unknown
    uid: int = -1
    #: whether its sshd looks up the names of clients; reported after a slow login only
    sshd_uses_dns: bool = False
    #: whether the headers of the running kernel are installed
    has_headers: bool = False
    #: kernels without headers for which the system's package tool knows a package
    installable_headers: set[str] = field(default_factory=set)
    #: what makes the kernel refuse unsigned modules; "" if it accepts them
    secure_boot: str = ""
    #: the key that DKMS signs with, if the firmware trusts it
    dkms_key: str = ""
    #: whether the kernel knows the site's own key; reported if it refuses unsigned modules
    key_enrolled: bool = False
    #: required commands that exist
    tools: set[str] = field(default_factory=set)
    #: commands for building a driver that do not exist
    missing_build_tools: set[str] = field(default_factory=set)
    #: cards on the PCI bus
    cards: list[Card] = field(default_factory=list)
    #: paths of the driver's device nodes
    device_nodes: list[str] = field(default_factory=list)
    #: card address -> (driver version, core state)
    driver_by_card: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: card address -> serial number of its board; cards of one board may share it
    board_serials: dict[str, str] = field(default_factory=dict)
    #: card address -> its model as the driver calls it
    card_names: dict[str, str] = field(default_factory=dict)
    #: driver and engine packages that are installed
    packages: list[Package] = field(default_factory=list)
    #: packages that yum or dnf must not change -> the file that forbids it
    held: dict[str, str] = field(default_factory=dict)
    #: packages in the system's repositories -> version; reported for missing ones
    offers: dict[str, str] = field(default_factory=dict)
    #: (kernel release, driver version) that modules are built for
    dkms_modules: set[tuple[str, str]] = field(default_factory=set)
    #: those of them that are signed with the site's key
    signed_modules: set[tuple[str, str]] = field(default_factory=set)
    #: processes that use a card
    card_users: list[CardUser] = field(default_factory=list)
    #: version of the docker daemon; "" if it does not answer
    engine_version: str = ""
    #: whether the docker daemon starts at boot
    engine_enabled: bool = False
    #: whether the only docker is snap's
    #: whether docker was asked for its version and did not answer in time
    engine_is_silent: bool = False
    docker_is_snap: bool = False
    #: docker's root directory
    docker_root: str = "/var/lib/docker"
    #: how the engine stores images; reported if a release's image is missing
    storage: EngineStorage = field(default_factory=EngineStorage)
    #: diff ids of the layers of each image, from the lowest; reported if an image is missing
    image_chains: set[tuple[str, ...]] = field(default_factory=set)
    #: whether the command `docker` is podman
    docker_is_podman: bool = False
    #: path -> free bytes
    free_bytes: dict[str, int] = field(default_factory=dict)
    #: path -> identifies its file system
    filesystem_ids: dict[str, str] = field(default_factory=dict)
    #: path on a file system that other hosts may share -> the file system, and the host that has
    #: marked a checkout there
    shared_filesystems: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: such paths where root has no write permission
    root_squashed_paths: list[str] = field(default_factory=list)
    #: path -> bytes of existing files, correct or not
    existing_bytes: dict[str, int] = field(default_factory=dict)
    #: name of a partial file -> its bytes
    partial_bytes: dict[str, int] = field(default_factory=dict)
    #: path -> free inodes, if the file system counts them
    free_inodes: dict[str, int] = field(default_factory=dict)
    #: paths on read-only file systems
    read_only_paths: list[str] = field(default_factory=list)
    #: who holds the host lock
    lock: LockFacts | None = None
    #: jobs that run or have left processes behind
    jobs: list[JobFacts] = field(default_factory=list)
    #: containers made by this tool that belong to no release of the host any more
    orphaned_containers: list[str] = field(default_factory=list)
    #: ids of those of them that run
    running_orphans: list[str] = field(default_factory=list)
    #: addresses and TCP ports of the host that lead into one of these
    orphaned_ports: set[tuple[str, int]] = field(default_factory=set)
    #: (container, number) -> server that runs, and that no release of the host is to have
    former_endpoints: dict[tuple[str, str], EndpointFacts] = field(default_factory=dict)
    #: when it was probed, by the controller's clock, in seconds since the epoch
    observed_at: float = field(default=0.0, compare=False)
    #: names of the inventory that lead to this machine, as far as they were probed; grows in a run
    machine_names: set[str] = field(default_factory=set, compare=False, repr=False)
    #: shared file system -> names of the inventory that have it; grows in a run
    filesystem_names: dict[str, set[str]] = field(default_factory=dict, compare=False, repr=False)
    #: paths at which links to what lies elsewhere on the host are enough; known of hosts that lack
    #: space
    linkable_paths: set[str] = field(default_factory=set, compare=False, repr=False)
    #: key of a release -> what was found of it; in the order of the target's releases
    releases: dict[str, ReleaseFacts] = field(default_factory=dict)

    @property
    def containers(self) -> list[ContainerFacts]:
        """The containers of all releases of the host that exist."""
        return [found.container for found in self.releases.values() if found.container]

    @property
    def shareable_chains(self) -> frozenset[tuple[str, ...]]:
        """The layers of images that another image may share when it is loaded.

        containerd's image store takes only whole archives.
        """
        return frozenset() if self.storage.uses_containerd else frozenset(self.image_chains)

    @property
    def stamps(self) -> dict[str, str]:
        """Stamps about the host as a whole; they lie with those of its first release."""
        return next((found.stamps for found in self.releases.values()), {})

    @property
    def os_key(self) -> str:
        """Its name in files/systems.yml, such as "ubuntu16.04"; else the host's own."""
        return operating_systems.list_keys(self.os_id, self.os_version)[-1]

    @property
    def present_cards(self) -> list[Card]:
        """Physical cards that answer."""
        return [card for card in self.cards if not card.is_virtual and not card.is_dropped]

    def card_model(self, card: Card) -> str:
        """Return the model of a card, by its PCI subsystem if that is known, else by the driver.

        Args:
            card: a card of this host
        """
        return compatibility.find_card_model(card.subsystem) or self.card_names.get(
            card.address, ""
        )

    @property
    def loaded_driver(self) -> str:
        """The driver version that all cards run; "" if none is loaded or they differ."""
        versions = {version for version, _state in self.driver_by_card.values()}
        return versions.pop() if len(versions) == 1 else ""

    @property
    def missing_cards(self) -> list[str]:
        """Addresses of cards that were there at the last smoke test and are not on the bus."""
        there = {card.address for card in self.cards}
        return [card for card in self.stamps.get("cards", "").split() if card not in there]

    @property
    def card_health(self) -> dict[str, str]:
        """Address of every card -> its core state, or why it has none."""
        states = dict.fromkeys(self.missing_cards, "gone")
        for card in self.cards:
            if card.is_dropped:
                states[card.address] = "dropped"
            elif not card.is_virtual:
                _version, core = self.driver_by_card.get(card.address, ("", N_("no driver")))
                states[card.address] = core or CARD_RUNNING  # not every driver reports it
        return dict(sorted(states.items()))

    def has_module(self, kernel: str, version: str) -> bool:
        """Return whether DKMS has built a driver for a kernel, and the module file exists.

        Args:
            kernel: release of the kernel
            version: version of the driver
        """
        return (kernel, version) in self.dkms_modules
