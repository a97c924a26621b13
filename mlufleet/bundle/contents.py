"""What goes into a bundle: the tool, releases with their locks, the store, inventories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from fleet.checksum import chunks
from fleet.errors import InvalidInput
from fleet.release import files
from fleet.release import lockfile as locks
from fleet.release.target import DEFAULT_STORE
from fleet.store.required_files import RequiredFiles, StoreFile
from fleet.text.redact import hide_credentials
from mlufleet.bundle.manifest import BundleEntry

PROJECT_ROOT = Path(__file__).resolve().parents[2]
#: of the tool, what runs need
TOOL_FILES = (
    "config.py",
    "deploy.py",
    "docs/*.md",
    "files/**/*",
    "fleet/**/*.py",
    "inventories/*.example.*",
    "inventories/fleet.py",
    "mlufleet/**/*.py",
    "operations/**/*.py",
    "pyproject.toml",
    "README.md",
    "requirements.lock",
)
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
    for path in _list_tool_files():
        found.add_file(path.relative_to(PROJECT_ROOT).as_posix(), path)
    for path, release in needed.releases.items():
        place = f"files/releases/{release.name}.yml"
        if path.resolve() != PROJECT_ROOT / place:
            found.add_file(place, _flatten_release(path))
        lock = locks.lock_path(Path(place)).as_posix()
        found.add_file(lock, locks.lock_path(path).read_bytes())
    for path in inventories:
        found.add_file(f"inventories/{path.name}", path)
    for path in sorted(wheels.glob("*.whl")):
        found.add_file(f"{ENVIRONMENT_FOLDER}/{path.name}", path)
    for file in needed.files:
        found.add_locked_file(file, store)
    return found


def _list_tool_files() -> Iterator[Path]:
    for pattern in TOOL_FILES:
        for path in sorted(PROJECT_ROOT.glob(pattern)):
            # another release's lock names files that this bundle has not
            if path.is_file() and "__pycache__" not in path.parts and ".lock." not in path.name:
                yield path


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
