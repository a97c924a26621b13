"""Ask pip whether it can install the packages of a release from its wheels alone."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.documents.field_errors import Location
from fleet.language import _
from fleet.proof.container_files import ContainerFiles, Presence
from fleet.proof.file_content import UnreadableContent
from fleet.proof.image import describe_unread_layers
from fleet.proof.inputs import ProofInputs
from fleet.proof.line_resolver import LineResolver
from fleet.proof.package_pool import PackagePool
from fleet.proof.pip_lines import LineReader
from fleet.proof.pip_packages import Package, is_valid_version
from fleet.proof.pip_requests import list_requests
from fleet.proof.pip_resolver import PipResolver
from fleet.proof.requirement_files import UnknownText
from fleet.proof.results import ProofResults
from fleet.proof.serving import check_server_packages
from fleet.proof.wheelhouse import Wheelhouse
from fleet.store.wheels import PythonTarget


def check_wheels(inputs: ProofInputs, results: ProofResults) -> None:
    """Check that every pip line of a release can be installed from the wheelhouse.

    Args:
        inputs: the release and its files.
        results: takes the results.
    """
    packages, image = inputs.release.packages, inputs.image
    if packages.wheelhouse and not _list_names(inputs, packages.wheelhouse):
        folder = inputs.store / packages.wheelhouse
        problem = _(
            "{folder} is empty: `mlufleet gather {release}` fills it",
            folder=folder,
            release=inputs.release.name,
        )
        results.add_finding(("packages", "wheelhouse"), problem)
    if not packages.pip:
        installed = image.installed_packages if image.files is not None else None
        check_server_packages(inputs, results, installed, describe_unread_layers(image))
        return
    location: Location = ("packages", "wheelhouse")
    if not packages.wheelhouse:
        reason = _("without `wheelhouse`, the image's pip asks its index for packages")
        location = ("packages", "pip")
    elif image.files is None:
        reason = describe_unread_layers(image)
    elif not image.python_version:
        reason = _("the version of the image's Python is not known")
    else:
        with TemporaryDirectory(prefix="mlufleet-pip-") as scratch:
            _resolve(inputs, results, packages.wheelhouse, Path(scratch))
        return
    results.add_unproved(location, reason)
    check_server_packages(inputs, results, None, reason)


def _resolve(inputs: ProofInputs, results: ProofResults, wheelhouse: str, scratch: Path) -> None:
    image, python = inputs.image, PythonTarget.from_image(inputs.image)
    names = _list_names(inputs, wheelhouse)
    house = Wheelhouse.read(inputs.store / wheelhouse, names, python)
    resolver = PipResolver(scratch, python.pip_arguments)
    house.write_wheels(resolver.wheels)
    requests = list_requests(inputs.release, ContainerTexts(inputs.patched.files))
    pool = PackagePool(house, resolver, [need for one in requests for need in one.requirements])
    for installed in image.installed_packages.values():
        package = Package.from_requirements(
            installed.name, installed.version, installed.requires, python.marker_environment
        )
        if is_valid_version(package.version):
            resolver.install([package])
        else:
            pool.add_any_version(package)
    reader = LineReader(pool, inputs.store, results)
    LineResolver(pool, reader, results).check(requests)
    check_server_packages(inputs, results, resolver.installed)


def _list_names(inputs: ProofInputs, wheelhouse: str) -> list[str]:
    """List the files of the wheelhouse."""
    prefix = wheelhouse.rstrip("/") + "/"
    return [name[len(prefix) :] for name in inputs.measured.files if name.startswith(prefix)]


class ContainerTexts:
    """Reads texts from the container as the release will make it.

    Args:
        files: the files of the container.
    """

    def __init__(self, files: ContainerFiles) -> None:
        self._files = files

    def __call__(self, path: str) -> str:
        """Read a file.

        Args:
            path: absolute path in the container.

        Returns:
            Its text.

        Raises:
            UnknownText: the file is missing, or its text is unknown.
        """
        found = self._files.look_up(path)
        if found.file is None:
            reason = found.reason or _("it is a folder")
            if found.presence is Presence.MISSING:
                raise UnknownText(_("{what} is missing: {reason}", what=path, reason=reason))
            raise UnknownText(_("{what} is not known: {reason}", what=path, reason=reason))
        try:
            texts = found.file.decode()
        except UnreadableContent as error:
            raise UnknownText(
                _("{what} is not known: {reason}", what=path, reason=error)
            ) from error
        return next(iter(texts.values()))
