"""One command that shows all of a host; kept until an operation changed something."""

from __future__ import annotations

import time
from collections.abc import Callable
from shlex import quote
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from paramiko import SSHException
from pyinfra.api import Host, QuoteString, StringCommand
from pyinfra.context import ContextObject

from fleet import module_key
from fleet.errors import Failure, PromptRefused
from fleet.module_key import ModuleKey
from fleet.release import driver_packages, host_paths, operating_systems
from fleet.release.target import ReleaseTarget
from operations.host import connection
from operations.host.facts import BEGIN_MARKER, HostFacts, ProbeError, parse
from operations.host.output import tag_directives
from operations.host.scripts import script_text
from operations.host.sessions import NoSessionError

#: what a container is made of, in docker's template language; no id or time that a restart changes
CONTAINER_TEMPLATE = (
    "".join(
        "{{json .HostConfig." + name + "}}"
        for name in ("Devices", "Binds", "Privileged", "CapAdd", "ShmSize", "NetworkMode", "Init")
    )
    + "{{json .HostConfig.RestartPolicy}}{{json .Config.Env}}{{json .Config.Cmd}}"
)
#: scripts that the probe is put together from
LIBRARIES = "git places kernels holders software"
#: packages that bring docker, and what builds a driver
DOCKER_PACKAGES = tuple(
    dict.fromkeys(name for system in operating_systems.load_table() for name in system.docker)
)
BUILD_PACKAGES = ("dkms", "gcc", "make")
#: seconds that a probe may take
PROBE_TIMEOUT_S = 120
#: more of them that the controller waits: what is stuck in the kernel outlives its own limit
PROBE_GRACE_S = 30
#: what the login shell says before sudo can: where it comes and the probe does not, sudo refuses
LOGIN_MARKER = "@@mlufleet-entered"


def probe_arguments(
    target: ReleaseTarget, slow_login: bool = False, key: ModuleKey | None = None
) -> str:
    """What the probe is asked about: variables and functions set ahead of its text.

    :param slow: the login took so long that it is worth asking why
    :param key: that modules are to be signed with
    """
    parts = target.releases
    values = {
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
        "SLOW": ["yes"] if slow_login else [],
        "KEY": [key.key_id] if key else [],
        "ISSUED": [key.issuer_and_serial] if key else [],
        "ROOTS": [
            "/var/lib/docker",
            host_paths.STATE_FOLDER,
            "/usr",
            *(s for p in parts for s in _source_paths(p)),
            *(one.target for p in parts for one in p.release.weights),
        ],
        "DRIVER": [target.release.driver.version],
        "HEADERS": sorted({known.headers for known in operating_systems.load_table()}),
        "RELEASES": [str(number) for number in range(len(parts))],
        "CONTAINER_FACTS": [CONTAINER_TEMPLATE],
    }
    functions = (
        f"release_{number}() {{\n{_assign_variables(_release_arguments(part))}}}\n"
        for number, part in enumerate(parts)
    )
    return _assign_variables(values) + "".join(functions)


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
        "SOURCES": _source_paths(target),
        "OURS": [
            f"{host_paths.to_host_path(release, source.path)}:{pattern}"
            for source in release.sources
            for pattern in host_paths.git_excludes(release, source)
        ],
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
        "INSIDE": [p.file for p in release.patches if not release.container.is_mounted(p.file)],
    }


#: slot -> the host as it was asked about the release there
FactsByRelease = dict[str, HostFacts]


def probe_command(arguments: str) -> StringCommand:
    """The probe. :param preamble: what it is asked about"""
    text = arguments + tag_directives(script_text("probe", LIBRARIES))
    return StringCommand("timeout", "-k", "5", str(PROBE_TIMEOUT_S), "sh", "-c", QuoteString(text))


def run_probe(host: Host, arguments: str) -> FactsByRelease | Failure:
    """Run the probe. Its failure is read here: pyinfra would ask a person for sudo's password.

    :param asked: its preamble
    """
    given = connection.connector_arguments(host)
    sudoed = given["_sudo"]
    sent = connection.build_privileged_command(host, probe_command(arguments), given)
    given |= {
        "_sudo": False,
        "_shell_executable": None,
        "_timeout": PROBE_TIMEOUT_S + PROBE_GRACE_S,
    }
    try:
        _, output = host.run_shell_command(
            StringCommand(f"echo {tag_directives(LOGIN_MARKER)}; {sent} || :"),
            print_output=host.state.print_fact_output,
            print_input=host.state.print_fact_input,
            **given,
        )
    except TimeoutError:
        connection.close(host)  # else what runs there goes on
        return Failure("PROBE_FAILED", f"no end within {PROBE_TIMEOUT_S + PROBE_GRACE_S} s")
    except NoSessionError as error:
        return Failure("MAX_SESSIONS", str(error))
    lines = output.stdout_lines
    try:
        return parse(lines, time.time())
    except ProbeError as error:
        if connection.wait_until_lost(host, 1):
            return Failure("CONNECTION_LOST", str(error))
        tail = tuple(output.output_lines[-20:])
        if BEGIN_MARKER in lines:
            return Failure("PROBE_FAILED", str(error), tail)
        if LOGIN_MARKER not in lines:
            last = tail[-1].strip() if tail else "no output"
            return Failure("PROBE_FAILED", f"the login shell runs no command: {last}", tail)
    said = lines[lines.index(LOGIN_MARKER) + 1 :] + output.stderr_lines
    after = tuple(line for line in said if line.strip())
    if sudoed and connection.enable_terminal(host, after):
        return run_probe(host, arguments)
    code = (
        ("REQUIRETTY" if connection.requires_tty(after) else "SUDO") if sudoed else "PROBE_FAILED"
    )
    return Failure(code, f"the host says: {after[-1]}" if after else "no output", after[-20:])


def unwrap_host(host: Any) -> Host:
    """The host itself, where pyinfra hands out a proxy of "the current host"."""
    if isinstance(host, ContextObject):
        host = host._get_module()  # type: ignore[no-untyped-call]
    return cast(Host, host)


#: told of every look at a host when it has been taken, before anything is made of it
watchers: list[Callable[[Host, ReleaseTarget, HostFacts], None]] = []
_machines: dict[str, set[str]] = {}
_places: dict[str, set[str]] = {}
_seen: WeakKeyDictionary[Host, FactsByRelease] = WeakKeyDictionary()


def probe_host(host: Any, target: ReleaseTarget) -> HostFacts | Failure:
    """The host's state, asked for once until :func:`forget`; or why it cannot be observed."""
    host = unwrap_host(host)
    if host not in _seen:
        slow = connection.logins.get(host.name, 0) > connection.SLOW_LOGIN_S
        asked = probe_arguments(target, slow, module_key.load_host_key(host.data))
        states = capture_failure(host, lambda: run_probe(host, asked))
        if isinstance(states, Failure):
            return states
        if target.key not in states:
            return Failure("PROBE_FAILED", f"the probe says nothing of {target.release.name}")
        _seen[host] = states
        if machine := states[target.key].machine_id:
            _machines.setdefault(machine, set()).add(host.name)
        for place in filter(
            _is_shared_filesystem, (p for p, _ in states[target.key].shared_filesystems.values())
        ):
            _places.setdefault(place, set()).add(host.name)
        if problem := capture_failure(host, lambda: _notify_observers(host, target)):
            _seen.pop(host)
            return problem
    return _seen[host][target.key]


def _notify_observers(host: Host, target: ReleaseTarget) -> None:
    for watcher in watchers:
        watcher(host, target, _seen[host][target.key])


T = TypeVar("T")


def capture_failure(host: Host, question: Callable[[], T | Failure]) -> T | Failure:
    """What a host answers, or why it does not: an exception would end the run of every host."""
    try:
        return question()
    except PromptRefused:
        return Failure("SUDO", "sudo asks for a password, and no sudo_password_file is given")
    except Exception as error:
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        if isinstance(error, (OSError, EOFError, SSHException)) and connection.wait_until_lost(
            host
        ):
            return Failure("CONNECTION_LOST", said)
        return Failure("PROBE_FAILED", said)


def hosts_sharing_machine(machine: str) -> list[str]:
    """All names of the inventory that have led to one machine."""
    return sorted(_machines.get(machine, ()))


def _is_shared_filesystem(filesystem: str) -> bool:
    """Whether the same words mean the same place on another host: not those of a device of its own
    or of its hypervisor."""
    kind, _, source = filesystem.partition(" ")
    return kind not in ("9p", "virtiofs") and not source.startswith("/dev/")


def hosts_sharing_filesystem(filesystem: str) -> list[str]:
    """All names of the inventory that have shown one folder of a network's file system."""
    return sorted(_places.get(filesystem, ()))


def invalidate_facts(host: Any) -> None:
    """Something changed: the next :func:`observe` asks again."""
    _seen.pop(unwrap_host(host), None)
