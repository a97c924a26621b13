"""The host's ports that releases are served on: free, or in use by what this tool made."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.errors import Failure
from fleet.language import _
from fleet.release import endpoints
from fleet.release.target import ANY_ADDRESS
from fleet.text import word_lists
from operations.host.facts import HostFacts
from operations.stage import HostSpec

#: addresses of listeners that take a port of all IPv4 addresses; nothing tells whether a listener
#: on :: is for IPv6 alone
_TAKES_ALL = (ANY_ADDRESS, "::")


def check_ports(spec: HostSpec, facts: HostFacts) -> Failure | None:
    """Check that the ports on which releases are to be served are free, or their own.

    Args:
        spec: The desired state of the host.
        facts: The host.
    """
    own = _list_own_places(facts)
    for release in spec.target.releases:
        used = facts.releases[release.key].used_ports
        for endpoint in endpoints.list_endpoints(release, len(facts.present_cards)):
            others = (
                address
                for address in used.get(endpoint.port, ())
                if (address, endpoint.port) not in own
            )
            if taken := _find_takers(release.address, others):
                place = _(
                    "port {port} of {release} on {address}",
                    port=endpoint.port,
                    release=release.release.name,
                    address=release.address,
                )
                return Failure(
                    "PORT_TAKEN",
                    _(
                        "{place}: something listens on {taken}",
                        place=place,
                        taken=word_lists.join_words(taken),
                    ),
                )
    return None


def _list_own_places(facts: HostFacts) -> set[tuple[str, int]]:
    """List where containers that go, or stay, listen: docker says which ports it published."""
    places = set(facts.orphaned_ports)  # they go before the new container is made
    for container in facts.containers:
        if container.has_process and not container.is_foreign:
            places |= container.published
    return places


def _find_takers(address: str, listeners: Iterable[str]) -> list[str]:
    """Return the listeners that take a port of an IPv4 address."""
    return sorted(
        each
        for each in listeners
        if each in (address, *_TAKES_ALL) or (address == ANY_ADDRESS and "." in each)
    )
