"""The contents of a bundle: the tool, releases with their locks, the store, inventories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from fleet import paths
from fleet.checksum import chunks
from fleet.errors import InvalidInput
from fleet.language import _
from fleet.release import files
from fleet.release import lockfile as locks
from fleet.release.target import DEFAULT_STORE
from fleet.store.required_files import RequiredFiles, StoreFile
from fleet.text.redact import hide_credentials
from mlufleet.bundle import site_files
from mlufleet.bundle.manifest import BundleEntry

#: the tool's packages, below `paths.CODE_ROOT`
CODE_FILES = tuple(
    f"{package}/**/{pattern}"
    for package in ("fleet", "mlufleet", "operations")
    for pattern in ("*.py", "py.typed", "*.mo")  # catalogs compiled: the site has no compiler
)
#: files of the current folder that replace those of the tool, if a site has them
SITE_FILES = ("config.py", "deploy.py", "files/**/*")
#: folder of the wheels for the tool's environment
ENVIRONMENT_FOLDER = "environment"

#: bytes of an entry, or the file that contains them
Content = Path | bytes


class BundleContents:
    """Files that are going to be packed.

    Attributes:
        entries: size and checksum by the path in the bundle.
        content: where the bytes of each entry come from.
    """

    def __init__(self) -> None:
        self.entries: dict[str, BundleEntry] = {}
        self.content: dict[str, Content] = {}

    def add_file(self, name: str, content: Content) -> None:
        """Add a file, which is read to compute its checksum.

        Args:
            name: path in the bundle.
            content: the file, or its bytes.

        Raises:
            InvalidInput: another file has this path.
        """
        if isinstance(content, bytes):
            entry = BundleEntry(name, len(content), hashlib.sha256(content).hexdigest())
        else:
            sha256 = chunks.hash_file(content, lambda _block: None)[0]
            entry = BundleEntry(name, content.stat().st_size, sha256)
        self._add_entry(entry, content)

    def add_locked_file(self, file: StoreFile, store: Path) -> None:
        """Add a file of the store with the checksum in its lock; it is read when it is packed.

        Args:
            file: the file.
            store: folder of the store.

        Raises:
            InvalidInput: another file has this path.
        """
        name = f"{DEFAULT_STORE}/{file.name}"
        self._add_entry(BundleEntry(name, file.locked.size, file.locked.sha256), store / file.name)

    def _add_entry(self, entry: BundleEntry, content: Content) -> None:
        if self.entries.setdefault(entry.name, entry) != entry:
            raise InvalidInput(
                _(
                    "{path!s:.200}: the bundle already has a different {name}",
                    path=content,
                    name=entry.name,
                )
            )
        self.content.setdefault(entry.name, content)


def gather_contents(
    required: RequiredFiles, store: Path, inventories: tuple[Path, ...], wheels: Path
) -> BundleContents:
    """Gather the files of a bundle.

    Args:
        required: the releases and the files of the store that they need.
        store: folder of the store.
        inventories: inventory files to include.
        wheels: folder of the wheels for the tool's environment.

    Returns:
        The contents.

    Raises:
        InvalidInput: two different files have the same path in the bundle.
    """
    contents = BundleContents()
    tool = find_tool_files()
    for path, release in required.releases.items():
        place = f"files/releases/{release.name}.yml"
        if place not in tool or path.resolve() != tool[place].resolve():
            tool.pop(place, None)
            contents.add_file(place, _flatten_release(path))
        lock = locks.lock_path(Path(place)).as_posix()
        contents.add_file(lock, locks.lock_path(path).read_bytes())
    site = _list_site_files(inventories)
    for name in {name for name, _path in site}:
        tool.pop(name, None)
    for name, path in (*tool.items(), *site):
        contents.add_file(name, path)
    for path in inventories:
        contents.add_file(f"{paths.INVENTORIES_FOLDER}/{path.name}", path)
    for path in sorted(wheels.glob("*.whl")):
        contents.add_file(f"{ENVIRONMENT_FOLDER}/{path.name}", path)
    for file in required.files:
        contents.add_locked_file(file, store)
    return contents


def _list_site_files(inventories: tuple[Path, ...]) -> list[tuple[str, Path]]:
    """Return what is packed of the places for inventories beside those that are given.

    An inventory of the site itself is here as well: it takes the place of the tool's example.
    """
    own = Path(paths.INVENTORIES_FOLDER).resolve()
    return [
        *((f"{own.name}/{p.name}", p) for p in inventories if p.resolve().parent == own),
        *((paths.QUARANTINE_FILE, path) for path in site_files.find_quarantine(inventories)),
        *(
            (name, path)
            for name, path in site_files.list_group_data(inventories)
            if not site_files.find_secrets(path)
        ),
    ]


def find_tool_files() -> dict[str, Path]:
    """Return the files of the tool by their path in a clone, the site's own in place of the tool's.

    A bundle is unpacked as a clone, whether it was packed from a clone or from an installed wheel.
    """
    found = dict(_list_files(paths.CODE_ROOT, CODE_FILES))
    found.update(_list_files(paths.PROJECT_ROOT, paths.PROJECT_FILES))
    if paths.is_site():
        found.update(_list_files(Path(), SITE_FILES))
    data = f"/{site_files.GROUP_DATA}/"  # those of a clone are its site's own
    secret = {name for name in found if data in name and site_files.find_secrets(found[name])}
    return {name: path for name, path in sorted(found.items()) if name not in secret}


def _list_files(root: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root)
            # the lock of another release names files that this bundle does not contain
            generated = "__pycache__" in name.parts or ".lock." in path.name
            if path.is_file() and not generated and "packaged" not in name.parts:
                yield name.as_posix(), path


def _flatten_release(path: Path) -> bytes:
    """Merge a release with everything that it extends, because those files may be anywhere."""
    text = yaml.safe_dump(
        files.load_merged_fields(path), sort_keys=False, allow_unicode=True, width=200
    )
    return f"# {path.name} and what it extends\n{text}".encode()


def list_network_needs(required: RequiredFiles) -> list[str]:
    """List what hosts would have to download themselves, although they may have no network.

    Args:
        required: the releases of the bundle.

    Returns:
        A line for each source, wheel and package.
    """
    lines = []
    for release in required.releases.values():
        if not release.image.file:
            lines.append(_("image {image}", image=release.image.registry))
        for source in release.sources:
            if not source.bundle:
                lines.append(
                    _(
                        "source {name}: {url}",
                        name=source.name,
                        url=hide_credentials(source.url or ""),
                    )
                )
        for pip in release.packages.pip:
            if "://" in (pip.wheel or ""):
                lines.append(_("wheel {url}", url=hide_credentials(pip.wheel or "")))
        if release.packages.pip and not release.packages.wheelhouse:
            lines.append(_("{release}: packages.pip without a wheelhouse", release=release.name))
        lines += [
            _("package {package}", package=p.package) for p in release.packages.system if not p.file
        ]
    return list(dict.fromkeys(lines))
