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
from fleet.release.target import STORE
from fleet.store.required_files import File, Needed
from fleet.text.redact import withheld
from mlufleet.bundle.manifest import Entry

ROOT = Path(__file__).resolve().parents[2]
#: of the tool, what runs need
TOOL = (
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
ENVIRONMENT = "environment"

#: what an entry's bytes are: of a file, or these
Content = Path | bytes


class Contents:
    """Entries by their path in the bundle, with where their bytes come from."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.content: dict[str, Content] = {}

    def add(self, name: str, content: Content) -> None:
        """:raises InvalidInput: another file has this place"""
        if isinstance(content, bytes):
            found = Entry(name, len(content), hashlib.sha256(content).hexdigest())
        else:
            found = Entry(name, content.stat().st_size, chunks.read(content, lambda _: None)[0])
        self._put(found, content)

    def locked(self, file: File, store: Path) -> None:
        """A file of the store: its lock says what it is, it is read when it is packed."""
        name = f"{STORE}/{file.name}"
        self._put(Entry(name, file.locked.size, file.locked.sha256), store / file.name)

    def _put(self, entry: Entry, content: Content) -> None:
        if self.entries.setdefault(entry.name, entry) != entry:
            raise InvalidInput(f"{content!s:.200}: the bundle has another {entry.name} already")
        self.content.setdefault(entry.name, content)


def gather(needed: Needed, store: Path, inventories: tuple[Path, ...], wheels: Path) -> Contents:
    """:raises InvalidInput: a file is missing, or two have one place"""
    found = Contents()
    for path in _tool():
        found.add(path.relative_to(ROOT).as_posix(), path)
    for path, release in needed.releases.items():
        place = f"files/releases/{release.name}.yml"
        if path.resolve() != ROOT / place:
            found.add(place, _as_one_file(path))
        lock = locks.beside(Path(place)).as_posix()
        found.add(lock, locks.beside(path).read_bytes())
    for path in inventories:
        found.add(f"inventories/{path.name}", path)
    for path in sorted(wheels.glob("*.whl")):
        found.add(f"{ENVIRONMENT}/{path.name}", path)
    for file in needed.files:
        found.locked(file, store)
    return found


def _tool() -> Iterator[Path]:
    for pattern in TOOL:
        for path in sorted(ROOT.glob(pattern)):
            # another release's lock names files that this bundle has not
            if path.is_file() and "__pycache__" not in path.parts and ".lock." not in path.name:
                yield path


def _as_one_file(path: Path) -> bytes:
    """A release from elsewhere, with what it extends: the files of a chain may lie anywhere."""
    text = yaml.safe_dump(files.flat(path), sort_keys=False, allow_unicode=True, width=200)
    return f"# {path.name} and what it extends\n{text}".encode()


def needs_network(needed: Needed) -> list[str]:
    """What hosts would have to fetch themselves, though they may have no network."""
    said = []
    for release in needed.releases.values():
        said += [
            f"source {s.name}: {withheld(s.url or '')}" for s in release.sources if not s.bundle
        ]
        said += [
            f"wheel {withheld(p.wheel or '')}"
            for p in release.packages.pip
            if "://" in (p.wheel or "")
        ]
        if release.packages.pip and not release.packages.wheelhouse:
            said.append(f"{release.name}: packages.pip without a wheelhouse")
        said += [f"package {p.package}" for p in release.packages.system if not p.file]
    return list(dict.fromkeys(said))
