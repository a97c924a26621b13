"""What a host's container engine has, whoever made it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fleet.errors import Failure
from fleet.language import _
from fleet.text import sanitize
from operations.host.inspection import InspectionFailed

#: labels by which a container names its owner
OWNER_LABELS = ("owner", "user")


@dataclass(frozen=True)
class MadeContainer:
    """A container of a host, as docker describes it.

    Attributes:
        id: its id
        name: its name, without the slash
        image: id of its image, as docker calls it
        reference: the image as it was named when the container was made
        running: whether it runs; a paused one does
        privileged: whether it may use every device of the host
        devices: device nodes that it was given
        restart: its restart policy
        is_removed_when_stopped: whether docker removes it when it stops (`--rm`)
        is_ours: whether this tool made it, as its label says
        pod: name of the pod that it belongs to; "" if kubelet did not make it
        owner: whose it is; "" if nothing says so
        owner_evidence: by what the owner was recognized
        mounts: path in the container -> folder or file of the host
        packages: Python packages that were installed since it was made, as their records are named
    """

    id: str
    name: str
    image: str = ""
    reference: str = ""
    running: bool = False
    privileged: bool = False
    devices: tuple[str, ...] = ()
    restart: str = ""
    is_removed_when_stopped: bool = False
    is_ours: bool = False
    pod: str = ""
    owner: str = ""
    owner_evidence: str = ""
    mounts: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()

    @property
    def reaches_cards(self) -> bool:
        """Whether processes in it can open the cards' device nodes."""
        return self.privileged or any(node.startswith("/dev/cambricon") for node in self.devices)

    def to_host_path(self, path: str) -> str:
        """Return the host's path of something in a mounted folder; "" if none shows it.

        Args:
            path: Path in the container.
        """
        for inside in sorted(self.mounts, key=len, reverse=True):
            if f"{path}/".startswith(f"{inside.rstrip('/')}/"):
                return self.mounts[inside].rstrip("/") + path[len(inside.rstrip("/")) :]
        return ""


@dataclass(frozen=True)
class EngineContents:
    """What a host's engine has.

    Attributes:
        containers: all of them, running or not, by name
        image_names: id of a release's image -> all its references; only images that are there
    """

    containers: tuple[MadeContainer, ...] = ()
    image_names: dict[str, tuple[str, ...]] = field(default_factory=dict)


def parse_contents(records: Iterable[list[str]]) -> EngineContents:
    """Return what the script inspect-engine reported.

    Args:
        records: The fields of its facts.

    Raises:
        InspectionFailed: A record is not understood.
    """
    described: list[dict[str, Any]] = []
    names: dict[str, tuple[str, ...]] = {}
    accounts: set[str] = set()
    folder_owners: dict[str, str] = {}
    packages: dict[str, list[str]] = {}
    try:
        for kind, *fields in records:
            match kind:
                case "container":
                    described.append(_decode(fields[0]))
                case "image":
                    image = _decode(fields[0])
                    names[image["id"]] = tuple(image["names"] or ())
                case "account":
                    accounts.add(fields[0])
                case "folder":
                    folder_owners[fields[0]] = fields[1]
                case "package":
                    packages.setdefault(fields[0], []).append(fields[1])
        found = [_build_container(one, accounts, folder_owners, packages) for one in described]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        reason = _(
            "docker's answer is not understood: {type}: {error}",
            type=type(error).__name__,
            error=error,
        )
        raise InspectionFailed(Failure("PROBE_FAILED", reason)) from error
    return EngineContents(tuple(sorted(found, key=lambda one: one.name)), names)


def _decode(text: str) -> Any:
    """Decode JSON of a host; what its escapes stand for may be unsafe to print."""
    return sanitize.escape_data(json.loads(text))


def _build_container(
    described: dict[str, Any],
    accounts: set[str],
    folder_owners: dict[str, str],
    packages: dict[str, list[str]],
) -> MadeContainer:
    name = described["name"].lstrip("/")
    mounts = {one["Destination"]: one["Source"] for one in described["mounts"] or ()}
    owner, evidence = _find_owner(name, described, mounts, accounts, folder_owners)
    return MadeContainer(
        id=described["id"],
        name=name,
        image=described["image"],
        reference=described["reference"],
        running=described["running"],
        privileged=described["privileged"],
        # the tutorial's scripts give some nodes twice
        devices=tuple(dict.fromkeys(one["PathOnHost"] for one in described["devices"] or ())),
        restart=described["restart"] or "no",
        is_removed_when_stopped=described["removed"],
        is_ours=bool(described["mlufleet.spec"]),
        pod=described["io.kubernetes.pod.name"],
        owner=owner,
        owner_evidence=evidence,
        mounts=mounts,
        packages=tuple(sorted(packages.get(described["id"], ()))),
    )


def _find_owner(
    name: str,
    described: dict[str, Any],
    mounts: dict[str, str],
    accounts: set[str],
    folder_owners: dict[str, str],
) -> tuple[str, str]:
    """Return whose a container seems to be, and what says so; docker itself does not know."""
    for label in OWNER_LABELS:
        if described[label]:
            return described[label], _("label {label}", label=label)
    # the tutorial's run-container-dev.sh: container-IMAGE-TAG-OWNER
    image = described["reference"].rpartition("/")[2].replace(":", "-")
    if name.startswith(f"container-{image}-"):
        return name.removeprefix(f"container-{image}-"), _("its name, as the tutorial builds it")
    last = name.rpartition("-")[2]
    if last in accounts:
        return last, _("its name, which ends with an account of the host")
    owners = {folder_owners.get(path, "") for path in mounts.values()} - {"", "root"}
    if len(owners) == 1:
        return owners.pop(), _("owner of the folders that it mounts")
    return "", ""
