"""The vendor's driver: installed version == loaded version == release, and nodes == cards."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from fleet.failures import Failure
from fleet.wanted import Wanted
from operations import layout
from operations.reboot import Reboot
from operations.scripts import script
from operations.stage import Body, Decision, Options, Stage, Step, again
from operations.state import Holder, HostState
from operations.transfer import Upload


def foreign(state: HostState) -> list[Holder]:
    """Processes on a card that are not in the release's own container."""
    ours = state.container.id if state.container and state.container.spec else None
    return [h for h in state.holders if not (ours and h.container == ours)]


def decide(wanted: Wanted, state: HostState, options: Options) -> Decision:
    release = wanted.release
    version = release.driver.version
    if state.system not in release.driver.packages:
        return Failure("OS_UNSUPPORTED", f"{state.system} ({state.os_name})")
    name = release.driver.packages[state.system].package
    todo = []
    installed = {p.name: p for p in state.packages}
    package = installed.get(name)
    if package is None or not package.installed or package.version != version:
        found = f"{package.version}, {package.status}" if package else "none"
        todo.append(f"install driver {version} ({found} is installed)")
    if state.loaded != version:
        todo.append(f"load driver {version} ({state.loaded or 'none'} is loaded)")
    expected = {f"/dev/cambricon_{kind}{i}" for i in range(len(state.present))
                for kind in ("dev", "ipcm")} | {"/dev/cambricon_ctl"}  # fmt: skip
    absent = sorted(expected - set(state.nodes))
    if absent:
        todo.append(f"make nodes {', '.join(absent)}")
    if todo and foreign(state) and not options.evict:
        who = ", ".join(
            f"{h.command} (pid {h.pid}{', container ' + h.container[:12] if h.container else ''})"
            for h in foreign(state)
        )
        return Failure("CARD_BUSY", who)
    return todo


def act(wanted: Wanted, state: HostState, options: Options) -> Iterator[PyinfraCommand]:
    driver = wanted.release.driver
    package = driver.packages[state.system]
    local, sha = wanted.local(package.file)
    dest = f"{layout.STATE}/artifacts/{package.file}"
    current = {p.name: p for p in state.packages}.get(package.package)
    for holder in foreign(state):
        yield Step(f"evicting {holder.command} ({holder.pid})",
                   script("evict", str(holder.pid), holder.container), "CARD_BUSY")  # fmt: skip
    if state.container and state.container.running:
        yield Step("stopping the container", script("stop", state.container.id), "CONTAINER")
    if current is None or not current.installed or current.version != driver.version:
        yield Upload("driver package", [(local, dest, sha)])
        yield Step(
            f"installing driver {driver.version} (its modules are built, this takes minutes)",
            script("install-driver", package.package, driver.version, dest, timeout=3600,
                   uses="packages"),
            "DRIVER_INSTALL",
        )  # fmt: skip
        state = again(wanted)
    if isinstance(decide(wanted, state, options), list) and not state.loaded:
        yield Step("loading the driver", script("load-driver"), "DRIVER_NOT_PROVED")
        state = again(wanted)
    elif state.loaded == driver.version and decide(wanted, state, options):
        yield Step("reloading the driver", script("load-driver", "again"), "DRIVER_NOT_PROVED")
        state = again(wanted)
    if state.loaded != driver.version or decide(wanted, state, options):
        why = f"{state.loaded or 'no driver'} is loaded"
        yield Reboot(why, state.boot, wanted, options.reboot_timeout)
        if not again(wanted).loaded:  # nothing on the host asks for the module at boot
            yield Step("loading the driver", script("load-driver"), "DRIVER_NOT_PROVED")


STAGE = Stage("driver", decide, act, "DRIVER_NOT_PROVED")


@operation()
def installed(wanted: Wanted, options: Options) -> Body:
    """The release's driver is installed, loaded, and has a node for every card."""
    yield from STAGE.carry(wanted, options)
