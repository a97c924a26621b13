"""Packages reduced to what pip's resolver reads: a name, a version, and what they need."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fleet.language import _
from fleet.store.image_layers import ARCHIVE_ERRORS
from fleet.store.image_python import PACKAGE_NAME, parse_egg_requires

#: Bounds of a source package: the files that are looked at, and the bytes of one description.
MAX_MEMBERS, MAX_DESCRIPTION_BYTES = 50_000, 4 << 20
EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
#: First version of the metadata of source packages whose dependencies can be relied on (PEP 643).
RELIABLE_METADATA = Version("2.2")


class UnreadablePackage(Exception):
    """A source package that pip could not use either."""


@dataclass(frozen=True)
class Package:
    """A package, for one Python.

    Attributes:
        name: normalized name.
        version: its version.
        requires: what it needs, with no marker but `extra == "NAME"`.
        extras: names of its extras.
        is_complete: whether all that it needs is known.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    is_complete: bool = True

    @classmethod
    def from_requirements(
        cls,
        name: str,
        version: str,
        texts: Iterable[str],
        environment: Mapping[str, str],
        *,
        is_complete: bool = True,
    ) -> Package:
        """Evaluate the markers of what a package needs.

        pip evaluates markers for the Python that runs it, which is not the image's.

        Args:
            name: name of the package.
            version: its version.
            texts: requirement strings, as its metadata has them.
            environment: values for environment markers.
            is_complete: whether these are all requirements.

        Returns:
            The package.
        """
        texts = list(texts)
        extras = tuple(dict.fromkeys(name for text in texts for name in EXTRA.findall(text)))
        requires: list[str] = []
        for text in texts:
            requires += _evaluate_markers(text, extras, environment)
        return cls(canonicalize_name(name), version, tuple(requires), extras, is_complete)

    @property
    def metadata(self) -> str:
        """The content of a METADATA file."""
        fields = [("Metadata-Version", "2.1"), ("Name", self.name), ("Version", self.version)]
        fields += [("Requires-Dist", text) for text in self.requires]
        fields += [("Provides-Extra", extra) for extra in self.extras]
        return "".join(f"{key}: {value}\n" for key, value in fields)

    def write_wheel(self, folder: Path, file_name: str = "") -> Path:
        """Write a wheel without modules.

        Args:
            folder: where to write it.
            file_name: name with the tags of the real wheel; for any Python by default.

        Returns:
            The file.
        """
        name, version = self.name.replace("-", "_"), self.version
        path = folder / (file_name or f"{name}-{version}-py3-none-any.whl")
        inner = "-".join(path.name.split("-")[:2]) + ".dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{inner}/METADATA", self.metadata)
            archive.writestr(f"{inner}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
            archive.writestr(f"{inner}/RECORD", "")
        return path

    def write_installed(self, folder: Path) -> None:
        """Write what makes pip believe that the package is installed.

        Args:
            folder: a folder of Python packages.
        """
        inner = folder / f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        inner.mkdir()
        (inner / "METADATA").write_text(self.metadata)


def is_valid_version(text: str) -> bool:
    """Tell whether pip takes a text for a version.

    Args:
        text: the version in the metadata of a package.

    Returns:
        Whether it does.
    """
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _evaluate_markers(
    text: str, extras: tuple[str, ...], environment: Mapping[str, str]
) -> list[str]:
    """Replace the marker of a requirement by the extras for which it is true."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return []  # old metadata: pip of today refuses it, that of the image does not
    marker, requirement.marker = requirement.marker, None
    plain = str(requirement)
    if not marker or marker.evaluate({**environment, "extra": ""}):
        return [plain]
    return [
        f'{plain}{" " if requirement.url else ""}; extra == "{extra}"'
        for extra in extras
        if marker.evaluate({**environment, "extra": extra})
    ]


def read_source_package(path: Path, environment: Mapping[str, str]) -> Package:
    """Read a source package without building it.

    Args:
        path: an archive as `pip download` saves it.
        environment: values for environment markers.

    Returns:
        The package; `is_complete` is false if its metadata does not tell what it needs.

    Raises:
        UnreadablePackage: it is damaged, or has no metadata.
    """
    texts = _read_descriptions(path)
    about = next((text for name, text in texts.items() if name == "PKG-INFO"), "")
    fields = HeaderParser().parsestr(about)
    egg_info = next((text for name, text in texts.items() if name.endswith("/PKG-INFO")), "")
    try:
        name, version = str(fields["Name"] or ""), str(Version(str(fields["Version"])))
    except InvalidVersion as error:
        raise UnreadablePackage(_("it has no metadata (PKG-INFO)")) from error
    if not PACKAGE_NAME.fullmatch(name):
        raise UnreadablePackage(_("its metadata has no valid name: {name!r:.80}", name=name))
    requires = next((text for inner, text in texts.items() if inner.endswith("requires.txt")), None)
    if _has_reliable_requirements(fields):
        needs, is_complete = list(map(str, fields.get_all("Requires-Dist") or ())), True
    else:  # setuptools writes requires.txt only if there is something to write
        needs, is_complete = parse_egg_requires(requires or ""), bool(requires or egg_info)
    return Package.from_requirements(name, version, needs, environment, is_complete=is_complete)


def _has_reliable_requirements(fields: Message) -> bool:
    dynamic = [str(value).lower() for value in fields.get_all("Dynamic") or ()]
    try:
        version = Version(str(fields["Metadata-Version"]))
    except InvalidVersion:
        return False
    return version >= RELIABLE_METADATA and "requires-dist" not in dynamic


def _read_descriptions(path: Path) -> dict[str, str]:
    """Read PKG-INFO and requires.txt by their paths below the archive's only folder."""
    texts: dict[str, str] = {}
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist()[:MAX_MEMBERS]:
                    if inner := _find_description(info.filename, info.file_size):
                        texts[inner] = archive.read(info).decode(errors="replace")
            return texts
        with tarfile.open(path, "r:*") as tar:
            for number, member in enumerate(tar):
                inner = _find_description(member.name, member.size)
                if inner and (content := tar.extractfile(member)):
                    texts[inner] = content.read().decode(errors="replace")
                if number > MAX_MEMBERS:
                    break
    except (*ARCHIVE_ERRORS, zipfile.BadZipFile, RuntimeError) as error:
        raise UnreadablePackage(_("it is incomplete or damaged: {error}", error=error)) from error
    return texts


def _find_description(name: str, size: int) -> str:
    """Return the path below the top folder if a file describes the package."""
    parts = PurePosixPath(name).parts[1:]
    is_wanted = parts in (("PKG-INFO",),) or (
        len(parts) > 1
        and parts[-2].endswith(".egg-info")
        and parts[-1] in ("PKG-INFO", "requires.txt")
    )
    return "/".join(parts) if is_wanted and size <= MAX_DESCRIPTION_BYTES else ""
