"""A release: what every host must be. Read from files/releases/NAME.yml, frozen."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, model_validator

from fleet import documents, fields
from fleet.failures import InvalidInput
from fleet.shapes import (
    AbsolutePath,
    Bool,
    Commit,
    Int,
    Model,
    Name,
    Reference,
    RelativePath,
    Sha256,
    like,
    stays_inside,
)  # fmt: skip

RELEASES = Path(__file__).resolve().parent.parent / "files" / "releases"
#: files that extend each other
LONGEST = 20


class DriverPackage(Model):
    """The vendor's package for one operating system; the OS is part of both names."""

    file: RelativePath
    package: Name


class Driver(Model):
    version: Annotated[str, like(r"[0-9]+\.[0-9]+\.[0-9]+", "a version: 5.10.10")]
    #: "ubuntu16.04", "centos7", … -> package
    packages: dict[str, DriverPackage]


class Engine(Model):
    minimum: Annotated[str, like(r"[0-9]+(\.[0-9]+)*", "a version: 19.03")] = "19.03"
    #: "ubuntu16.04", "centos7", … -> folder in the store with that system's docker packages and
    #: what they need; without one the system's own repositories are asked
    packages: dict[str, RelativePath] = Field(default_factory=dict)


class Image(Model):
    file: RelativePath
    reference: Reference
    python: AbsolutePath = "/torch/venv3/pytorch/bin/python"


class Mount(Model):
    host: AbsolutePath
    container: AbsolutePath
    read_only: Bool = False


class Container(Model):
    name: Name
    mounts: tuple[Mount, ...] = ()
    shm_size: Annotated[str, like(r"[0-9]+[kmg]", "a size: 16g")] = "16g"
    network: str = "bridge"
    privileged: Bool = False
    environment: dict[str, str] = Field(default_factory=dict)


class Source(Model):
    """A git checkout. One of tag, commit and branch says which commit; the lock pins it."""

    name: Name
    path: AbsolutePath
    url: str | None = None
    bundle: RelativePath | None = None
    tag: str | None = None
    commit: Commit | None = None
    branch: str | None = None
    lfs: Bool = False

    @model_validator(mode="after")
    def _one_pin(self) -> Source:
        if sum(x is not None for x in (self.tag, self.commit, self.branch)) != 1:
            raise ValueError("say exactly one of tag, commit and branch")
        if self.url is None and self.bundle is None:
            raise ValueError("say a url, a bundle, or both")
        return self

    @property
    def revision(self) -> str:
        return self.commit or self.tag or self.branch or ""


class Link(Model):
    """Where the weights appear in a source tree; what matches `code` is migrated too."""

    tree: Name
    path: RelativePath
    code: tuple[str, ...] = ("*.py",)


class Weights(Model):
    name: Name
    #: folder in the store
    folder: RelativePath
    #: the same path on the host and in the container
    target: AbsolutePath
    link: Link | None = None


class Migration(Model):
    tool: AbsolutePath
    #: names of sources; the result of each is beside it, named NAME_mlu
    trees: tuple[Name, ...]


class Patch(Model):
    """One change to one file: a substitution, a whole replacement, or an insertion."""

    file: AbsolutePath
    find: str | None = None
    replace: str | None = None
    count: Annotated[Int, Field(ge=1)] = 1
    content: str | None = None
    after: str | None = None
    insert: str | None = None
    sha256: Sha256

    @model_validator(mode="after")
    def _one_kind(self) -> Patch:
        kinds = (
            self.find is not None and self.replace is not None,
            self.content is not None,
            self.after is not None and self.insert is not None,
        )
        if sum(kinds) != 1:
            raise ValueError("say one of: find + replace, content, after + insert")
        return self


class SystemPackage(Model):
    package: Name
    #: file in the store, for hosts without network
    file: RelativePath | None = None


class Pip(Model):
    """One `pip install` (or uninstall) in the container, in order."""

    install: tuple[str, ...] = ()
    editable: AbsolutePath | None = None
    requirements: AbsolutePath | None = None
    exclude: tuple[str, ...] = ()
    #: file in the store, or a URL
    wheel: Annotated[str, AfterValidator(stays_inside)] | None = None
    find_links: str | None = None
    no_deps: Bool = False
    upgrade: Bool = False
    uninstall: tuple[str, ...] = ()


class Packages(Model):
    system: tuple[SystemPackage, ...] = ()
    pip: tuple[Pip, ...] = ()
    #: folder of wheels in the store; without it pip uses its own index
    wheelhouse: RelativePath | None = None


class Smoke(Model):
    """A question to the model, judged by its output: exit status proves nothing."""

    kind: Literal["plain", "stdin", "artefact", "http"]
    workdir: AbsolutePath
    command: tuple[str, ...]
    environment: dict[str, str] = Field(default_factory=dict)
    stdin: str = ""
    expect: str = ""
    artefact: AbsolutePath | None = None
    url: str | None = None
    #: seconds; loading 14 GB of weights takes ten minutes
    timeout: Annotated[Int, Field(ge=1, le=7200)] = 1200

    @model_validator(mode="after")
    def _can_be_judged(self) -> Smoke:
        needed = {"artefact": ["artefact"], "http": ["url", "expect"]}.get(self.kind, ["expect"])
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"a smoke test of kind {self.kind} needs {' and '.join(missing)}")
        return self


class Release(Model):
    name: Name
    summary: str = ""
    driver: Driver
    engine: Engine = Engine()
    image: Image
    container: Container
    sources: tuple[Source, ...] = ()
    weights: tuple[Weights, ...] = ()
    migration: Migration | None = None
    patches: tuple[Patch, ...] = ()
    packages: Packages = Packages()
    smoke: Smoke

    @model_validator(mode="after")
    def _names_meet(self) -> Release:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"two sources have one name: {', '.join(names)}")
        wanted = list(self.migration.trees) if self.migration else []
        wanted += [w.link.tree for w in self.weights if w.link]
        for name in wanted:
            if name not in names:
                raise ValueError(f"{name} is not a source; sources are {', '.join(names)}")
        return self

    def source(self, name: str) -> Source:
        return next(source for source in self.sources if source.name == name)

    @property
    def digest(self) -> str:
        return digest(self.model_dump())


def digest(value: Any) -> str:
    """sha256 (hex) of a value made of plain data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def find(name: str) -> Path:
    """The file of a release, by path or by name in files/releases.

    :raises InvalidInput: there is none; the message lists those that are
    """
    path = Path(name) if name.endswith((".yml", ".yaml")) else RELEASES / f"{name}.yml"
    if documents.is_file(path):
        return path
    known = ", ".join(sorted(p.stem for p in RELEASES.glob("*.yml")))
    raise InvalidInput(f"release {name!r}: no file {path}; known releases: {known}")


def merged(base: Any, change: Any) -> Any:
    """``change`` over ``base``: mappings merge, lists of named items merge by name."""
    if isinstance(base, dict) and isinstance(change, dict):
        return {
            **base,
            **{k: merged(base[k], v) if k in base else v for k, v in change.items()},
        }
    if _named(base) and _named(change):
        changes = {item["name"]: item for item in change}
        result = [merged(item, changes.pop(item["name"], {})) for item in base]
        return result + list(changes.values())
    return change


def _named(items: Any) -> bool:
    """A list of mappings, each with a name of its own."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return False
    names = [item.get("name") for item in items]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names) > 0


Read = tuple[Path, dict[str, Any], yaml.Node]


def _chain(path: Path) -> list[Read]:
    """A release file and those it extends, nearest first."""
    files: list[Read] = []
    seen: list[Path] = []
    parent: Path | None = path
    while parent is not None:
        if parent.resolve() in seen:
            through = " -> ".join(str(file) for file, _, _ in files)
            raise InvalidInput(f"{_place(path, files[0][2])}: it extends itself through {through}")
        if len(files) == LONGEST:
            raise InvalidInput(f"{_place(path, files[0][2])}: a chain of over {LONGEST} files")
        seen.append(parent.resolve())
        data, node = documents.read(parent)
        files.append((parent, data, node))
        parent = _parent(parent, data, node)
    return files


def _place(path: Path, node: yaml.Node) -> str:
    return f"{path}:{fields.line_of(node, ('extends',))}: extends"


def _parent(path: Path, data: dict[str, Any], node: yaml.Node) -> Path | None:
    """The file that a file extends; takes `extends` out of its data."""
    name = data.pop("extends", None)
    if name is None:
        return None
    place = _place(path, node)
    if not isinstance(name, str):
        raise InvalidInput(f"{place}: the name of one release is expected")
    beside = Path(os.path.normpath(path.parent / f"{name.removesuffix('.yml')}.yml"))
    if documents.is_file(beside):
        return beside
    try:
        return find(name)
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error}") from error


def load(path: Path) -> Release:
    """The release in a file, with what it extends.

    :raises InvalidInput: naming file, line and field
    """
    (_, data, node), *parents = _chain(path)
    whole: dict[str, Any] = {}
    for _, base, _ in reversed(parents):
        whole = merged(whole, base)
    nodes = tuple((file, root) for file, _, root in parents)
    return documents.validate(Release, merged(whole, data), path, node, nodes)
