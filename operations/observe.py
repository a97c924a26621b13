"""One command that shows all of a host; kept until an operation changed something."""

from __future__ import annotations

import time
from typing import Any, cast
from weakref import WeakKeyDictionary

from pyinfra.api import FactBase, Host, QuoteString, StringCommand
from pyinfra.context import ContextObject

from fleet.wanted import Wanted
from operations import layout
from operations.scripts import text
from operations.state import HostState, ProbeError, parse


def preamble(wanted: Wanted) -> str:
    """What the probe is asked about: variables set ahead of its text."""
    release = wanted.release
    sources = [layout.on_host(release, source.path) for source in release.sources]
    values = {
        "PACKAGES": [package.package for package in release.driver.packages.values()],
        "IMAGE": [release.image.reference],
        "IMAGE_ID": [wanted.lock.image.id],
        "CONTAINER": [release.container.name],
        "MOUNTS": [f"{host}:{inside}" for host, inside in layout.mounts(release)],
        "SOURCES": sources,
        "OURS": [
            f"{layout.on_host(release, source.path)}:{pattern}"
            for source in release.sources
            for pattern in layout.inside(release, source)
        ],
        "TREES": layout.trees(release) + [weights.target for weights in release.weights],
        "FILES": [layout.on_host(release, patch.file) for patch in release.patches],
        "ROOTS": ["/var/lib/docker", layout.STATE, *sources[:1]],
    }
    return "".join(f"{name}='{' '.join(dict.fromkeys(v))}'\n" for name, v in values.items())


class Probe(FactBase[HostState | None]):
    def command(self, preamble: str) -> StringCommand:
        return StringCommand(
            "timeout", "-k", "5", "120", "sh", "-c",
            QuoteString(preamble + text("lib") + text("probe")),
        )  # fmt: skip

    def process(self, output: list[str]) -> HostState | None:
        try:
            return parse(output, time.time())
        except ProbeError:
            return None


def real(host: Any) -> Host:
    """The host itself, where pyinfra hands out a proxy of "the current host"."""
    if isinstance(host, ContextObject):
        host = host._get_module()  # type: ignore[no-untyped-call]
    return cast(Host, host)


_seen: WeakKeyDictionary[Host, HostState] = WeakKeyDictionary()


def observe(host: Any, wanted: Wanted) -> HostState | None:
    """The host's state, asked for once until :func:`forget`. None: it could not be observed."""
    host = real(host)
    if host not in _seen:
        try:
            state: Any = host.get_fact(Probe, preamble=preamble(wanted))
        except EOFError:  # sudo wants a password and pyinfra finds nobody to ask
            return None
        if state is None:
            return None
        _seen[host] = state
    return _seen[host]


def forget(host: Any) -> None:
    """Something changed: the next :func:`observe` asks again."""
    _seen.pop(real(host), None)
