"""What goes into a bundle: the tool, releases with their locks, the store, inventories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from fleet import paths
from fleet.checksum import chunks
from fleet.errors import InvalidInput
from fleet.release import files
from fleet.release import lockfile as locks
from fleet.release.target import DEFAULT_STORE
from fleet.store.required_files import RequiredFiles, StoreFile
from fleet.text.redact import hide_credentials
from mlufleet.bundle.manifest import BundleEntry

#: the tool's packages, below `paths.CODE_ROOT`
CODE_FILES = tuple(
    f"{package}/**/{pattern}"
    for package in ("fleet", "mlufleet", "operations")
    for pattern in ("*.py", "py.typed")
)
#: what runs and the environment need besides, below `paths.PROJECT_ROOT`
PROJECT_FILES = (
    "LICENSE",
    "README.md",
    "config.py",
    "deploy.py",
    "docs/*.md",
    "files/**/*",
    "inventories/*.example.*",
    "inventories/fleet.py",
    "inventories/group_data/*.py",
    "pyproject.toml",
    "requirements.lock",
    "setup.py",
)
#: what a site may have in place of the tool's own, in the working folder
SITE_FILES = ("config.py", "deploy.py", "files/**/*")
#: wheels of the tool's environment
ENVIRONMENT_FOLDER = "environment"

#: what an entry's bytes are: of a file, or these
Content = Path | bytes


class BundleContents:
    """Entries by their path in the bundle, with where their bytes come from."""

    def __init__(self) -> None:
        self.entries: dict[str, BundleEntry] = {}
        self.content: dict[str, Content] = {}

    def add_file(self, name: str, content: Content) -> None:
        """:raises InvalidInput: another file has this place"""
        if isinstance(content, bytes):
            found = BundleEntry(name, len(content), hashlib.sha256(content).hexdigest())
        else:
            found = BundleEntry(
                name, content.stat().st_size, chunks.hash_file(content, lambda _: None)[0]
            )
        self._add_entry(found, content)

    def add_locked_file(self, file: StoreFile, store: Path) -> None:
        """A file of the store: its lock says what it is, it is read when it is packed."""
        name = f"{DEFAULT_STORE}/{file.name}"
        self._add_entry(BundleEntry(name, file.locked.size, file.locked.sha256), store / file.name)

    def _add_entry(self, entry: BundleEntry, content: Content) -> None:
        if self.entries.setdefault(entry.name, entry) != entry:
            raise InvalidInput(f"{content!s:.200}: the bundle has another {entry.name} already")
        self.content.setdefault(entry.name, content)


def gather_contents(
    needed: RequiredFiles, store: Path, inventories: tuple[Path, ...], wheels: Path
) -> BundleContents:
    """:raises InvalidInput: a file is missing, or two have one place"""
    found = BundleContents()
    tool = find_tool_files()
    for path, release in needed.releases.items():
        place = f"files/releases/{release.name}.yml"
        if place not in tool or path.resolve() != tool[place].resolve():
            tool.pop(place, None)
            found.add_file(place, _flatten_release(path))
        lock = locks.lock_path(Path(place)).as_posix()
        found.add_file(lock, locks.lock_path(path).read_bytes())
    for name, path in tool.items():
        found.add_file(name, path)
    for path in inventories:
        found.add_file(f"inventories/{path.name}", path)
    for path in sorted(wheels.glob("*.whl")):
        found.add_file(f"{ENVIRONMENT_FOLDER}/{path.name}", path)
    for file in needed.files:
        found.add_locked_file(file, store)
    return found


def find_tool_files() -> dict[str, Path]:
    """Return the files of the tool by their path in a clone, the site's own in place of the tool's.

    A bundle is unpacked as a clone, whether it was packed from a clone or from an installed wheel.
    """
    found = dict(_list_files(paths.CODE_ROOT, CODE_FILES))
    found.update(_list_files(paths.PROJECT_ROOT, PROJECT_FILES))
    if paths.is_site():
        found.update(_list_files(Path(), SITE_FILES))
    return dict(sorted(found.items()))


def _list_files(root: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root)
            # the lock of another release names files that this bundle does not contain
            generated = "__pycache__" in name.parts or ".lock." in path.name
            if path.is_file() and not generated and "packaged" not in name.parts:
                yield name.as_posix(), path


def _flatten_release(path: Path) -> bytes:
    """A release from elsewhere, with what it extends: the files of a chain may lie anywhere."""
    text = yaml.safe_dump(
        files.load_merged_fields(path), sort_keys=False, allow_unicode=True, width=200
    )
    return f"# {path.name} and what it extends\n{text}".encode()


def list_network_needs(needed: RequiredFiles) -> list[str]:
    """What hosts would have to fetch themselves, though they may have no network."""
    said = []
    for release in needed.releases.values():
        said += [
            f"source {s.name}: {hide_credentials(s.url or '')}"
            for s in release.sources
            if not s.bundle
        ]
        said += [
            f"wheel {hide_credentials(p.wheel or '')}"
            for p in release.packages.pip
            if "://" in (p.wheel or "")
        ]
        if release.packages.pip and not release.packages.wheelhouse:
            said.append(f"{release.name}: packages.pip without a wheelhouse")
        said += [f"package {p.package}" for p in release.packages.system if not p.file]
    return list(dict.fromkeys(said))
