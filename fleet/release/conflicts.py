"""What two releases on one host cannot share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from fleet.release import host_paths
from fleet.release.endpoints import list_endpoints
from fleet.release.instance_cards import find_missing_cards
from fleet.release.model import compute_digest
from fleet.release.target import ReleaseTarget


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
    both = f"{a.name} and {b.name}"
    if a.driver.version != b.driver.version:
        yield (
            f"{both} require different driver versions, {a.driver.version} and "
            f"{b.driver.version}; a host can only load one"
        )
    if a.container.name == b.container.name:
        yield f"{both} use the same container name {a.container.name}"
    ports, other_ports = _list_ports(first), _list_ports(second)
    if shared := sorted(set(ports) & set(other_ports)):
        listed = ", ".join(map(str, shared))
        yield (
            f"{both} are served on the same port{'s' * (len(shared) > 1)} {listed} of the host: "
            f"{a.name} has {_describe_ports(ports)}, {b.name} {_describe_ports(other_ports)}; "
            "set another serve.port in one of them"
        )
    if a.image.reference == b.image.reference and first.lock.image.id != second.lock.image.id:
        yield f"{both} use different images for the tag {a.image.reference}"
    paths, other_paths = _claimed_paths(first), _claimed_paths(second)
    for path in sorted(paths):
        for other in sorted(other_paths):
            nested = f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")
            if nested and not (path == other and paths[path] == other_paths[other] != ""):
                place = f"path {path}" if path == other else f"paths {path} and {other}"
                yield f"{both} both need the host {place} with different content"


def _list_ports(target: ReleaseTarget) -> list[int]:
    """List the ports of a release's instances: of the first alone if its cards are unknown."""
    known = 1 if target.cards is None else len(target.cards)
    return [endpoint.port for endpoint in list_endpoints(target, known)]


def _describe_ports(ports: list[int]) -> str:
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]} to {ports[-1]}"


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
