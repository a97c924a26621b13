"""Digests of what hosts are to be, so that a run can be held to what somebody has looked at before.

In a digest are the host's releases with their locks, the key of its servers, and its fields of the
inventory, among them its address. What neither changes the host nor says which one it is, is not:
groups, and `remediate`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fleet.environment import EXPECTED_DIGEST_VARIABLE
from fleet.errors import InvalidInput
from fleet.inventory.host_fields import HostData
from fleet.language import _
from fleet.release.model import compute_digest
from fleet.release.target import IDENTITY_DIGITS, HostTarget
from fleet.store.targets import load_host_target

if TYPE_CHECKING:
    from pyinfra.api import Host

#: fields that are of the fleet and not of the host
FLEET_FIELDS = ("groups", "data", "remediate", "include_quarantined")


def compute_host_digest(name: str, data: Mapping[str, Any] | Any, target: HostTarget) -> str:
    """Return the digest of what one host is to be.

    Args:
        name: Name of the host.
        data: Its data; a mapping, or pyinfra's host data with a `get` method.
        target: Its releases.
    """
    names = [field for field in HostData.model_fields if field not in FLEET_FIELDS]
    fields = {field: data.get(field) for field in names if data.get(field) is not None}
    releases = [
        [part.identity, part.cards, compute_digest(part.api_key)] for part in target.releases
    ]
    return compute_digest([name, fields, releases])[:IDENTITY_DIGITS]


def compute_digests(hosts: Iterable[Host]) -> dict[str, str]:
    """Return the digest of what each host is to be.

    Args:
        hosts: Hosts that have been validated.
    """
    return {
        host.name: compute_host_digest(host.name, host.data, load_host_target(host.data))
        for host in hosts
    }


def combine_digests(digests: Mapping[str, str]) -> str:
    """Return the digest of several hosts; that of the host if there is only one.

    Args:
        digests: Host -> its digest.
    """
    if len(digests) == 1:
        return next(iter(digests.values()))
    return compute_digest(dict(digests))[:IDENTITY_DIGITS]


def check_digest(digests: Mapping[str, str], expected: str) -> None:
    """Check that hosts are to be what was expected.

    Args:
        digests: Host -> its digest, of all hosts that will be worked on.
        expected: The digest of them together, as :func:`combine_digests` computes it; empty if
            nothing is expected.

    Raises:
        InvalidInput: They are to be something else.
    """
    found = combine_digests(digests)
    if expected and found != expected:
        raise InvalidInput(
            _(
                "the desired state on disk has the digest {found}, and {expected} is "
                "expected: inventory, release or lock was changed; nothing is done. "
                "Look at the change, and give its digest (`mlufleet inventory digest`)",
                found=found,
                expected=expected,
            )
        )


def check_selection(hosts: Iterable[Host]) -> None:
    """Check that what this process will do is what its environment expects, if it expects anything.

    Args:
        hosts: The hosts that will be worked on, as they were read last.

    Raises:
        InvalidInput: They are to be something else.
    """
    if expected := os.environ.get(EXPECTED_DIGEST_VARIABLE, ""):
        check_digest(compute_digests(hosts), expected)
