"""Runs the probe, one command that reports all facts of a host, and keeps them until a change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from shlex import quote
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from paramiko import SSHException
from pyinfra.api import Host, QuoteString, StringCommand
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ContextObject

from fleet import module_key
from fleet.errors import Failure, PromptRefused
from fleet.language import _
from fleet.module_key import ModuleKey
from fleet.release import driver_packages, endpoints, host_paths, operating_systems
from fleet.release.card_assignment import MAX_CARDS
from fleet.release.target import HostTarget, ReleaseTarget
from operations.host import connection
from operations.host.context import RunContext, run_context
from operations.host.facts import HostFacts
from operations.host.output import tag_directives
from operations.host.probe_parser import BEGIN_MARKER, ProbeError, parse
from operations.host.scripts import script_text
from operations.host.sessions import NoSessionError

#: docker template of a container's configuration, without ids and times that a restart changes
CONTAINER_TEMPLATE = (
    "".join(
        "{{json .HostConfig." + name + "}}"
        for name in ("Devices", "Binds", "Privileged", "CapAdd", "ShmSize", "NetworkMode", "Init")
    )
    + "{{json .HostConfig.RestartPolicy}}{{json .Config.Env}}{{json .Config.Cmd}}"
)
#: packages that contain docker
DOCKER_PACKAGES = tuple(
    dict.fromkeys(name for system in operating_systems.load_table() for name in system.docker)
)
#: packages that are needed to build a driver
BUILD_PACKAGES = ("dkms", "gcc", "make")
#: seconds that a probe may take
PROBE_TIMEOUT_S = 120
#: seconds that the controller waits longer: a process stuck in the kernel outlives its limit
PROBE_GRACE_S = 30
#: printed by the login shell ahead of sudo: with it, but without the probe's output, sudo refused
LOGIN_MARKER = "@@mlufleet-entered"


def probe_arguments(
    target: HostTarget,
    slow_login: bool = False,
    key: ModuleKey | None = None,
    read_only: bool = False,
) -> str:
    """Return what the probe is asked about: shell variables and functions ahead of its text.

    Args:
        target: the desired state of the host
        slow_login: whether the login was slow, so that the reason is of interest
        key: the site's key for kernel modules, if it has one
        read_only: whether nothing may be written on the host, not even what git would refresh
    """
    values = _host_arguments(target) | {
        "SLOW": ["yes"] if slow_login else [],
        "read_only": ["yes"] if read_only else [],
        "KEY": [key.key_id] if key else [],
        "ISSUED": [key.issuer_and_serial] if key else [],
    }
    functions = (
        f"release_{number}() {{\n{_assign_variables(_release_arguments(part))}}}\n"
        for number, part in enumerate(target.releases)
    )
    return _assign_variables(values) + "".join(functions)


def _host_arguments(target: HostTarget) -> dict[str, list[str]]:
    """What the probe is asked about of the host as a whole."""
    parts = target.releases
    return {
        "PACKAGES": [
            package.package
            for part in parts
            for package in driver_packages.list_packages(part.release)
            if package.file in part.lock.files
        ],
        "SOFTWARE": [*DOCKER_PACKAGES, *BUILD_PACKAGES],
        "DOCKERS": list(DOCKER_PACKAGES),
        "MINIMUM": [part.release.engine.minimum for part in parts],
        "CONTAINERS": [part.release.container.name for part in parts],
        "SERVING": [part.release.container.name for part in parts if part.release.serve],
        "ROOTS": [
            "/var/lib/docker",
            host_paths.STATE_FOLDER,
            "/usr",
            *(s for p in parts for s in _source_paths(p)),
            *(one.target for p in parts for one in p.release.weights),
        ],
        "DRIVER": [target.primary.release.driver.version],
        "HEADERS": sorted({known.headers for known in operating_systems.load_table()}),
        "RELEASES": [str(number) for number in range(len(parts))],
        "CONTAINER_FACTS": [CONTAINER_TEMPLATE],
    }


def _assign_variables(values: dict[str, list[str]]) -> str:
    return "".join(f"{name}={quote(' '.join(dict.fromkeys(v)))}\n" for name, v in values.items())


def _source_paths(target: ReleaseTarget) -> list[str]:
    return [
        host_paths.to_host_path(target.release, source.path) for source in target.release.sources
    ]


def _release_arguments(target: ReleaseTarget) -> dict[str, list[str]]:
    """What the probe is asked about of one release."""
    release = target.release
    return {
        "SLOT": [target.key],
        "IMAGE": [release.image.reference],
        "IMAGE_ID": [target.lock.image.id],
        "CONTAINER": [release.container.name],
        "MOUNTS": [f"{host}:{inside}" for host, inside in host_paths.list_mounts(release)],
        "SOURCES": [
            f"{path}:{target.lock.commits[source.name]}"
            for source, path in zip(release.sources, _source_paths(target), strict=True)
        ],
        "OURS": [
            f"{host_paths.to_host_path(release, source.path)}:{pattern}"
            for source in release.sources
            for pattern in host_paths.git_excludes(release, source)
        ],
        "KNOWN": host_paths.tutorial_files(release),
        "TREES": host_paths.migrated_host_paths(release)
        + [weights.target for weights in release.weights],
        "WEIGHTS": [
            f"{weights.target}:{weights.name}:{host_paths.weights_digest(target, weights)}"
            for weights in release.weights
        ],
        "FILES": [
            host_paths.to_host_path(release, patch.file)
            for patch in release.patches
            if release.container.is_mounted(patch.file)
        ],
        **_serve_arguments(target),
        "INSIDE": [p.file for p in release.patches if not release.container.is_mounted(p.file)],
    }


def _serve_arguments(target: ReleaseTarget) -> dict[str, list[str]]:
    """What the probe is asked about of servers; nothing of a release that is not served."""
    if target.release.serve is None:
        return {}
    # every card could have an instance, and the number of cards is not known yet
    count = len(target.cards) if target.cards is not None else MAX_CARDS
    found = endpoints.list_endpoints(target, count)
    return {
        "SERVED": [host_paths.serve_folder(target.key)],
        "SERVERS": [f"{each.name}:{each.container_port:04X}" for each in found],
        "PORTS": [f"{each.port:04X}" for each in found],
    }


def probe_command(arguments: str) -> StringCommand:
    """Return the probe as a command.

    Args:
        arguments: from :func:`probe_arguments`
    """
    text = arguments + tag_directives(script_text("probe"))
    return StringCommand("timeout", "-k", "5", str(PROBE_TIMEOUT_S), "sh", "-c", QuoteString(text))


def run_probe(host: Host, arguments: str) -> HostFacts | Failure:
    """Run the probe.

    Its failure is analyzed here, because pyinfra would prompt for sudo's password.

    Args:
        host: a connected host
        arguments: from :func:`probe_arguments`

    Returns:
        The facts; or why there are none.
    """
    try:
        output, uses_sudo = _send_probe(host, arguments)
    except TimeoutError:
        connection.close(host)  # which ends what still runs there
        return Failure(
            "PROBE_FAILED", _("no end within {seconds} s", seconds=PROBE_TIMEOUT_S + PROBE_GRACE_S)
        )
    except NoSessionError as error:
        return Failure("MAX_SESSIONS", str(error))
    try:
        return parse(output.stdout_lines, time.time())
    except ProbeError as error:
        if connection.wait_until_lost(host, 1):
            return Failure("CONNECTION_LOST", str(error))
        failure = _explain_output(output, str(error), uses_sudo)
    if failure.code == "REQUIRETTY" and connection.enable_terminal(host, output.output_lines):
        return run_probe(host, arguments)
    return failure


def _send_probe(host: Host, arguments: str) -> tuple[CommandOutput, bool]:
    """Return what the probe prints on a host, and whether sudo was to run it."""
    given = connection.connector_arguments(host)
    uses_sudo = bool(given["_sudo"])
    sent = connection.build_privileged_command(
        host, probe_command(arguments), given, has_input=False
    )
    given |= {
        "_sudo": False,
        "_shell_executable": None,
        "_timeout": PROBE_TIMEOUT_S + PROBE_GRACE_S,
    }
    _ok, output = host.run_shell_command(
        StringCommand(f"echo {tag_directives(LOGIN_MARKER)}; {sent} || :"),
        print_output=host.state.print_fact_output,
        print_input=host.state.print_fact_input,
        **given,
    )
    return output, uses_sudo


def _explain_output(output: CommandOutput, error: str, uses_sudo: bool) -> Failure:
    """Why a probe's output is not complete: the probe itself, the login shell, or what is between.

    Args:
        output: what the host printed
        error: what is wrong with it
        uses_sudo: whether sudo was to run the probe
    """
    lines, tail = output.stdout_lines, tuple(output.output_lines[-20:])
    if BEGIN_MARKER in lines:
        return Failure("PROBE_FAILED", error, tail)
    if LOGIN_MARKER not in lines:
        last = tail[-1].strip() if tail else _("no output")
        return Failure(
            "PROBE_FAILED", _("the login shell runs no command: {last}", last=last), tail
        )
    after_login = lines[lines.index(LOGIN_MARKER) + 1 :] + output.stderr_lines
    said = tuple(line for line in after_login if line.strip())
    code = "PROBE_FAILED"
    if uses_sudo:
        code = "REQUIRETTY" if connection.requires_tty(said) else "SUDO"
    return Failure(
        code, _("the host says: {tail}", tail=said[-1]) if said else _("no output"), said[-20:]
    )


def unwrap_host(host: Any) -> Host:
    """Return the host itself.

    Args:
        host: a host, or pyinfra's proxy of the current one
    """
    if isinstance(host, ContextObject):
        host = host._get_module()
    return cast(Host, host)


#: called with host, target and facts after each probe, before anything is decided on them
ProbeListener = Callable[[Host, HostTarget, HostFacts], None]


class ProbeCache:
    """The facts of a run's hosts, and which names of the inventory lead to one machine.

    Attributes:
        facts: host -> its facts, until something changes on it
        listeners: called after each probe
        linkable_paths: host -> paths at which links are enough, as far as that was searched for
    """

    def __init__(self, context: RunContext) -> None:
        """Begin without facts.

        Args:
            context: of the run
        """
        self.facts: WeakKeyDictionary[Host, HostFacts] = WeakKeyDictionary()
        self.listeners: list[ProbeListener] = []
        self.linkable_paths: WeakKeyDictionary[Host, set[str]] = WeakKeyDictionary()
        self._machine_names: dict[str, set[str]] = {}
        self._filesystem_names: dict[str, set[str]] = {}

    def add(self, host: Host, facts: HostFacts) -> None:
        """Keep the facts of a host, and let them know of its other names.

        Args:
            host: the host
            facts: what its probe printed
        """
        self.facts[host] = facts
        facts.linkable_paths = self.linkable_paths.setdefault(host, set())
        self.note_machine(
            host.name,
            facts.machine_id,
            [filesystem for filesystem, _marker in facts.shared_filesystems.values()],
        )
        if facts.machine_id:
            facts.machine_names = self._machine_names[facts.machine_id]
        for filesystem, _marker in facts.shared_filesystems.values():
            if filesystem in self._filesystem_names:
                facts.filesystem_names[filesystem] = self._filesystem_names[filesystem]

    def note_machine(self, name: str, machine_id: str, filesystems: Iterable[str]) -> None:
        """Note which machine and which shared file systems a name leads to.

        Args:
            name: of a host
            machine_id: as its probe printed it; may be empty
            filesystems: those of its folders
        """
        if machine_id:
            self._machine_names.setdefault(machine_id, set()).add(name)
        for filesystem in filesystems:
            if _is_shared_filesystem(filesystem):
                self._filesystem_names.setdefault(filesystem, set()).add(name)


def probe_host(host: Any, target: HostTarget) -> HostFacts | Failure:
    """Return the facts of a host, probed on first use and after :func:`invalidate_facts`.

    Args:
        host: a connected host, or pyinfra's proxy of it
        target: the desired state of the host: what the probe is asked about

    Returns:
        The facts, with those of every release; or why the host could not be probed.
    """
    host = unwrap_host(host)
    context = run_context(host)
    cache = context.service(ProbeCache)
    if host not in cache.facts:
        slow_login = context.login_durations_s.get(host.name, 0) > connection.SLOW_LOGIN_S
        key = module_key.load_host_key(host.data)
        arguments = probe_arguments(target, slow_login, key, context.is_read_only)
        facts = capture_failure(host, lambda: run_probe(host, arguments))
        if isinstance(facts, Failure):
            return facts
        for release in target.releases:
            if release.key not in facts.releases:
                name = release.release.name
                return Failure("PROBE_FAILED", _("the probe says nothing of {name}", name=name))
        cache.add(host, facts)
        if problem := capture_failure(host, lambda: _notify_listeners(cache, host, target)):
            cache.facts.pop(host)
            return problem
    return cache.facts[host]


def _notify_listeners(cache: ProbeCache, host: Host, target: HostTarget) -> None:
    for listener in tuple(cache.listeners):
        listener(host, target, cache.facts[host])


T = TypeVar("T")


def capture_failure(host: Host, question: Callable[[], T | Failure]) -> T | Failure:
    """Return what a host answers; turn an exception into its failure.

    An exception would end the run of all hosts.

    Args:
        host: the host that is asked
        question: asks it
    """
    try:
        return question()
    except PromptRefused:
        return Failure("SUDO", _("sudo asks for a password, and no sudo_password_file is given"))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        may_be_lost = isinstance(error, (OSError, EOFError, SSHException))
        if may_be_lost and connection.wait_until_lost(host):
            return Failure("CONNECTION_LOST", reason)
        return Failure("PROBE_FAILED", reason)


def _is_shared_filesystem(filesystem: str) -> bool:
    """Whether the name means the same place on other hosts: not for local or hypervisor devices."""
    kind, _blank, source = filesystem.partition(" ")
    return kind not in ("9p", "virtiofs") and not source.startswith("/dev/")


def invalidate_facts(host: Any) -> None:
    """Forget the facts of a host because something changed on it; the next use probes it again.

    Args:
        host: the host, or pyinfra's proxy of it
    """
    host = unwrap_host(host)
    run_context(host).service(ProbeCache).facts.pop(host, None)
