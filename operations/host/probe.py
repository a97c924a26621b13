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
from fleet.errors import Asked, Failure
from fleet.module_key import Signing
from fleet.release import driver_packages, host_paths, operating_systems
from fleet.release.target import Wanted
from operations.host import connection
from operations.host.facts import BEGIN, HostState, ProbeError, parse
from operations.host.output import marked
from operations.host.scripts import body
from operations.host.sessions import NoSession

#: what a container is made of, in docker's template language; no id or time that a restart changes
CONTAINER_FACTS = (
    "".join(
        "{{json .HostConfig." + name + "}}"
        for name in ("Devices", "Binds", "Privileged", "CapAdd", "ShmSize", "NetworkMode", "Init")
    )
    + "{{json .HostConfig.RestartPolicy}}{{json .Config.Env}}{{json .Config.Cmd}}"
)
#: scripts that the probe is put together from
USES = "git places kernels holders software"
#: packages that bring docker, and what builds a driver
DOCKERS = tuple(
    dict.fromkeys(name for system in operating_systems.table() for name in system.docker)
)
BUILDERS = ("dkms", "gcc", "make")
#: seconds that a probe may take
LIMIT = 120
#: more of them that the controller waits: what is stuck in the kernel outlives its own limit
GRACE = 30
#: what the login shell says before sudo can: where it comes and the probe does not, sudo refuses
ENTERED = "@@mlufleet-entered"


def preamble(wanted: Wanted, slow: bool = False, key: Signing | None = None) -> str:
    """What the probe is asked about: variables and functions set ahead of its text.

    :param slow: the login took so long that it is worth asking why
    :param key: that modules are to be signed with
    """
    parts = wanted.parts
    values = {
        "PACKAGES": [
            package.package
            for part in parts
            for package in driver_packages.packages(part.release)
            if package.file in part.lock.files
        ],
        "SOFTWARE": [*DOCKERS, *BUILDERS],
        "DOCKERS": list(DOCKERS),
        "MINIMUM": [part.release.engine.minimum for part in parts],
        "CONTAINERS": [part.release.container.name for part in parts],
        "SLOW": ["yes"] if slow else [],
        "KEY": [key.identity] if key else [],
        "ISSUED": [key.issued] if key else [],
        "ROOTS": [
            "/var/lib/docker",
            host_paths.STATE,
            "/usr",
            *(s for p in parts for s in _sources(p)),
            *(one.target for p in parts for one in p.release.weights),
        ],
        "DRIVER": [wanted.release.driver.version],
        "HEADERS": sorted({known.headers for known in operating_systems.table()}),
        "RELEASES": [str(number) for number in range(len(parts))],
        "CONTAINER_FACTS": [CONTAINER_FACTS],
    }
    functions = (
        f"release_{number}() {{\n{_variables(_asked(part))}}}\n"
        for number, part in enumerate(parts)
    )
    return _variables(values) + "".join(functions)


def _variables(values: dict[str, list[str]]) -> str:
    return "".join(f"{name}={quote(' '.join(dict.fromkeys(v)))}\n" for name, v in values.items())


def _sources(wanted: Wanted) -> list[str]:
    return [host_paths.on_host(wanted.release, source.path) for source in wanted.release.sources]


def _asked(wanted: Wanted) -> dict[str, list[str]]:
    """What the probe is asked about of one release."""
    release = wanted.release
    return {
        "SLOT": [wanted.slot],
        "IMAGE": [release.image.reference],
        "IMAGE_ID": [wanted.lock.image.id],
        "CONTAINER": [release.container.name],
        "MOUNTS": [f"{host}:{inside}" for host, inside in host_paths.mounts(release)],
        "SOURCES": _sources(wanted),
        "OURS": [
            f"{host_paths.on_host(release, source.path)}:{pattern}"
            for source in release.sources
            for pattern in host_paths.inside(release, source)
        ],
        "TREES": host_paths.trees(release) + [weights.target for weights in release.weights],
        "WEIGHTS": [
            f"{weights.target}:{weights.name}:{host_paths.made_from(wanted, weights)}"
            for weights in release.weights
        ],
        "FILES": [
            host_paths.on_host(release, patch.file)
            for patch in release.patches
            if release.container.shows(patch.file)
        ],
        "INSIDE": [p.file for p in release.patches if not release.container.shows(p.file)],
    }


#: slot -> the host as it was asked about the release there
States = dict[str, HostState]


def command(preamble: str) -> StringCommand:
    """The probe. :param preamble: what it is asked about"""
    text = preamble + marked(body("probe", USES))
    return StringCommand("timeout", "-k", "5", str(LIMIT), "sh", "-c", QuoteString(text))


def probed(host: Host, asked: str) -> States | Failure:
    """Run the probe. Its failure is read here: pyinfra would ask a person for sudo's password.

    :param asked: its preamble
    """
    given = connection.arguments(host)
    sudoed = given["_sudo"]
    sent = connection.privileged(host, command(asked), given)
    given |= {"_sudo": False, "_shell_executable": None, "_timeout": LIMIT + GRACE}
    try:
        _, output = host.run_shell_command(
            StringCommand(f"echo {marked(ENTERED)}; {sent} || :"),
            print_output=host.state.print_fact_output,
            print_input=host.state.print_fact_input,
            **given,
        )
    except TimeoutError:
        connection.leave(host)  # else what runs there goes on
        return Failure("PROBE_FAILED", f"no end within {LIMIT + GRACE} s")
    except NoSession as error:
        return Failure("MAX_SESSIONS", str(error))
    lines = output.stdout_lines
    try:
        return parse(lines, time.time())
    except ProbeError as error:
        if connection.ended(host, 1):
            return Failure("CONNECTION_LOST", str(error))
        tail = tuple(output.output_lines[-20:])
        if BEGIN in lines:
            return Failure("PROBE_FAILED", str(error), tail)
        if ENTERED not in lines:
            last = tail[-1].strip() if tail else "no output"
            return Failure("PROBE_FAILED", f"the login shell runs no command: {last}", tail)
    said = lines[lines.index(ENTERED) + 1 :] + output.stderr_lines
    after = tuple(line for line in said if line.strip())
    if sudoed and connection.given_terminal(host, after):
        return probed(host, asked)
    code = ("REQUIRETTY" if connection.no_terminal(after) else "SUDO") if sudoed else "PROBE_FAILED"
    return Failure(code, f"the host says: {after[-1]}" if after else "no output", after[-20:])


def real(host: Any) -> Host:
    """The host itself, where pyinfra hands out a proxy of "the current host"."""
    if isinstance(host, ContextObject):
        host = host._get_module()  # type: ignore[no-untyped-call]
    return cast(Host, host)


#: told of every look at a host when it has been taken, before anything is made of it
watchers: list[Callable[[Host, Wanted, HostState], None]] = []
_machines: dict[str, set[str]] = {}
_places: dict[str, set[str]] = {}
_seen: WeakKeyDictionary[Host, States] = WeakKeyDictionary()


def observe(host: Any, wanted: Wanted) -> HostState | Failure:
    """The host's state, asked for once until :func:`forget`; or why it cannot be observed."""
    host = real(host)
    if host not in _seen:
        slow = connection.logins.get(host.name, 0) > connection.PATIENT
        asked = preamble(wanted, slow, module_key.of(host.data))
        states = answer(host, lambda: probed(host, asked))
        if isinstance(states, Failure):
            return states
        if wanted.slot not in states:
            return Failure("PROBE_FAILED", f"the probe says nothing of {wanted.release.name}")
        _seen[host] = states
        if machine := states[wanted.slot].machine:
            _machines.setdefault(machine, set()).add(host.name)
        for place in filter(_telling, (p for p, _ in states[wanted.slot].shares.values())):
            _places.setdefault(place, set()).add(host.name)
        if problem := answer(host, lambda: _told(host, wanted)):
            _seen.pop(host)
            return problem
    return _seen[host][wanted.slot]


def _told(host: Host, wanted: Wanted) -> None:
    for watcher in watchers:
        watcher(host, wanted, _seen[host][wanted.slot])


T = TypeVar("T")


def answer(host: Host, ask: Callable[[], T | Failure]) -> T | Failure:
    """What a host answers, or why it does not: an exception would end the run of every host."""
    try:
        return ask()
    except Asked:
        return Failure("SUDO", "sudo asks for a password, and no sudo_password_file is given")
    except Exception as error:
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        if isinstance(error, (OSError, EOFError, SSHException)) and connection.ended(host):
            return Failure("CONNECTION_LOST", said)
        return Failure("PROBE_FAILED", said)


def twins(machine: str) -> list[str]:
    """All names of the inventory that have led to one machine."""
    return sorted(_machines.get(machine, ()))


def _telling(place: str) -> bool:
    """Whether the same words mean the same place on another host: not those of a device of its own
    or of its hypervisor."""
    kind, _, source = place.partition(" ")
    return kind not in ("9p", "virtiofs") and not source.startswith("/dev/")


def sharing(place: str) -> list[str]:
    """All names of the inventory that have shown one folder of a network's file system."""
    return sorted(_places.get(place, ()))


def forget(host: Any) -> None:
    """Something changed: the next :func:`observe` asks again."""
    _seen.pop(real(host), None)
