"""Lock a release: measure its files, and prove the release against them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.errors import InvalidInput
from fleet.proof.commands import check_commands
from fleet.proof.expectations import check_expectation
from fleet.proof.image import check_image
from fleet.proof.image_origin import check_image_origin, read_registry_image
from fleet.proof.inputs import ProofInputs
from fleet.proof.loading import check_loading
from fleet.proof.patches import check_patches
from fleet.proof.results import ProofResults
from fleet.proof.serving import check_serving
from fleet.proof.source_files import check_source_files
from fleet.proof.stack import check_stack
from fleet.proof.weights import check_weights
from fleet.proof.wheels import check_wheels
from fleet.release.files import ReleaseDocument
from fleet.release.lockfile import Lock, LockedImage
from fleet.release.model import Release
from fleet.store import git_repositories, measure
from fleet.store.contents import StoreContents
from fleet.store.source_tree import SourceTree, open_source

#: Compares a release with its files in one respect.
Check = Callable[[ProofInputs, ProofResults], None]
#: All checks, in the order of their results.
CHECKS: tuple[Check, ...] = (
    check_image_origin,
    check_image,
    check_source_files,
    check_patches,
    check_commands,
    check_loading,
    check_expectation,
    check_serving,
    check_stack,
    check_weights,
    check_wheels,
)


def _ignore(line: str) -> None:
    """Drop a message."""


def _open_sources(
    release: Release, store: Path, folder: Path, results: ProofResults
) -> dict[str, tuple[str, SourceTree | None]]:
    """Find the commit of each source, and open its files in clones of the bundles.

    Args:
        release: the release.
        store: folder of the store.
        folder: empty folder for the clones.
        results: takes what is wrong, and warnings.

    Returns:
        By the name of the source, the full commit and its tree; None without a bundle.

    Raises:
        InvalidInput: sources are wrong about their bundles or origins; with all findings.
    """
    paths = [source.path for source in release.sources]
    opened: dict[str, tuple[str, SourceTree | None]] = {}
    for number, source in enumerate(release.sources):
        clone = folder / str(number)
        try:
            opened[source.name] = open_source(source, store, clone, results.warn, paths)
        except InvalidInput as error:
            field = "bundle" if source.bundle else "url"
            results.add_finding(("sources", number, field), str(error))
    results.raise_findings()
    return opened


def create_lock(
    document: ReleaseDocument,
    store: Path,
    progress: Callable[[str], None] = _ignore,
    warn: Callable[[str], object] = _ignore,
) -> Lock:
    """Create the lock of a release by reading all of its files in the store.

    Args:
        document: The release.
        store: Folder of the store.
        progress: Called with the name of each file before it is read.
        warn: Called with one line for each thing that may be wrong.

    Returns:
        The lock.

    Raises:
        InvalidInput: A file is missing, or the release is wrong about one; with all findings.
    """
    release, results = document.release, ProofResults(document, warn)
    for weights in release.weights:
        git_repositories.check_weights_commit(weights, store)
    contents = StoreContents(release, store, warn)
    with TemporaryDirectory(prefix="mlufleet-") as scratch:
        sources = _open_sources(release, store, Path(scratch), results)
        pulled = read_registry_image(document, contents.architecture)
        measured = measure.measure_store(contents, progress, pulled)
        trees = {name: tree for name, (_, tree) in sources.items()}
        inputs = ProofInputs(release, store, measured, trees)
        for check in CHECKS:
            check(inputs, results)
    results.raise_findings()
    commits = {name: commit for name, (commit, _) in sources.items()}
    return _make_lock(measured, commits, results)


def _make_lock(
    measured: measure.MeasuredStore, commits: dict[str, str], results: ProofResults
) -> Lock:
    """Write down what was measured and proved."""
    release, image, pulled = measured.contents.release, measured.image, measured.registry_image
    return Lock(
        release=release.digest,
        files=measured.files,
        image=LockedImage(
            id=image.id,
            tags=image.tags,
            labels=image.labels,
            size=pulled.size if pulled else 0,
        ),
        commits=commits,
        source_files=results.source_files,
        pip_groups=tuple(results.pip_groups),
        unproved=tuple(results.unproved),
    )
