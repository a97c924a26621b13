"""What two releases on one host cannot share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from fleet.language import _, n_
from fleet.release import host_paths
from fleet.release.endpoints import list_endpoints
from fleet.release.instance_cards import find_missing_cards
from fleet.release.model import compute_digest
from fleet.release.target import ReleaseTarget
from fleet.text import word_lists


def find_conflicts(releases: Sequence[ReleaseTarget]) -> Iterator[str]:
    """Find reasons why releases cannot be on one host.

    Args:
        releases: The releases of the host.

    Yields:
        One message per conflict.
    """
    for target in releases:
        if target.cards is not None:
            yield from find_missing_cards(target, len(target.cards))
    for first, second in combinations(releases, 2):
        yield from _find_pair_conflicts(first, second)


def _find_pair_conflicts(first: ReleaseTarget, second: ReleaseTarget) -> Iterator[str]:
    a, b = first.release, second.release
    both = word_lists.join_pair((a.name, b.name))
    if a.driver.version != b.driver.version:
        yield (
            _(
                "{both} require different driver versions, {version} and {other}; a "
                "host can only load one",
                both=both,
                version=a.driver.version,
                other=b.driver.version,
            )
        )
    if a.container.name == b.container.name:
        yield _(
            "{both} use the same container name {container}", both=both, container=a.container.name
        )
    ports, other_ports = _list_ports(first), _list_ports(second)
    if shared := sorted(set(ports) & set(other_ports)):
        yield (
            n_(
                "{both} are served on the same port {ports} of the host: {first} has "
                "{first_ports}, {second} {second_ports}; set another serve.port in one of them",
                "{both} are served on the same ports {ports} of the host: {first} has "
                "{first_ports}, {second} {second_ports}; set another serve.port in one of them",
                len(shared),
                both=both,
                ports=word_lists.join_words(shared),
                first=a.name,
                first_ports=_describe_ports(ports),
                second=b.name,
                second_ports=_describe_ports(other_ports),
            )
        )
    if a.image.reference == b.image.reference and first.lock.image.id != second.lock.image.id:
        yield _(
            "{both} use different images for the tag {reference}",
            both=both,
            reference=a.image.reference,
        )
    paths, other_paths = _claimed_paths(first), _claimed_paths(second)
    for path in sorted(paths):
        for other in sorted(other_paths):
            nested = f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")
            if nested and not (path == other and paths[path] == other_paths[other] != ""):
                yield _describe_shared_path(both, path, other)


def _describe_shared_path(both: str, path: str, other: str) -> str:
    if path == other:
        return _(
            "{both} both need the host path {path} with different content", both=both, path=path
        )
    return _(
        "{both} both need the host paths {path} and {other} with different content",
        both=both,
        path=path,
        other=other,
    )


def _list_ports(target: ReleaseTarget) -> list[int]:
    """List the ports of a release's instances: of the first alone if its cards are unknown."""
    known = 1 if target.cards is None else len(target.cards)
    return [endpoint.port for endpoint in list_endpoints(target, known)]


def _describe_ports(ports: list[int]) -> str:
    if len(ports) == 1:
        return str(ports[0])
    return _("{first} to {last}", first=ports[0], last=ports[-1])


def _claimed_paths(target: ReleaseTarget) -> dict[str, str]:
    """Map host paths to the digest of what a release puts there; "" if it cannot be shared."""
    release, lock = target.release, target.lock
    claims = dict.fromkeys(host_paths.migrated_host_paths(release), "")
    for source in release.sources:
        path = host_paths.to_host_path(release, source.path)
        has_migrated_tree = any(claimed.startswith(f"{path}/") for claimed in claims)
        changes = host_paths.find_source_patches(release, source)
        inputs = [target.patch_inputs(patch) for patch in changes]
        content = compute_digest([lock.commits[source.name], source.name, inputs])
        claims[path] = "" if has_migrated_tree else content
    for weights in release.weights:
        patches = [
            target.patch_inputs(patch)
            for patch in host_paths.find_weights_patches(release, weights)
        ]
        files = {name: file.sha256 for name, file in lock.files_in(weights.folder).items()}
        claims[weights.target] = compute_digest([files, patches])
    return {path: content for path, content in claims.items() if not _is_nested(path, claims)}


def _is_nested(path: str, claims: dict[str, str]) -> bool:
    """Check whether a path lies below another claim of the same release, which covers it."""
    return any(path != other and path.startswith(f"{other}/") for other in claims)
