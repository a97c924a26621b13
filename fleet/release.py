"""A release: what every host must be. Read from files/releases/NAME.yml, frozen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from fleet import documents
from fleet.failures import InvalidInput

RELEASES = Path(__file__).resolve().parent.parent / "files" / "releases"

AbsolutePath = Annotated[str, Field(pattern=r"^/[^\s:]*$")]
RelativePath = Annotated[
    str, Field(pattern=r"^[^/\s:][^\s:]*$"), AfterValidator(lambda path: _stays_inside(path))
]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


def _stays_inside(path: str) -> str:
    if ".." in path.split("/"):
        raise ValueError("a path may not leave its folder")
    return path


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DriverPackage(Model):
    """The vendor's package for one operating system; the OS is part of both names."""

    file: str
    package: Name


class Driver(Model):
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    #: "ubuntu16.04", "centos7", … -> package
    packages: dict[str, DriverPackage]


class Engine(Model):
    minimum: str = "19.03"
    #: "ubuntu16.04", "centos7", … -> folder in the store with that system's docker packages and
    #: what they need; without one the system's own repositories are asked
    packages: dict[str, str] = {}


class Image(Model):
    file: str
    reference: str
    python: AbsolutePath = "/torch/venv3/pytorch/bin/python"


class Mount(Model):
    host: AbsolutePath
    container: AbsolutePath
    read_only: bool = False


class Container(Model):
    name: Name
    mounts: tuple[Mount, ...] = ()
    shm_size: Annotated[str, Field(pattern=r"^\d+[kmg]$")] = "16g"
    network: str = "bridge"
    privileged: bool = False
    environment: dict[str, str] = {}


class Source(Model):
    """A git checkout. One of tag, commit and branch says which commit; the lock pins it."""

    name: Name
    path: AbsolutePath
    url: str | None = None
    bundle: str | None = None
    tag: str | None = None
    commit: Commit | None = None
    branch: str | None = None
    lfs: bool = False

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
    folder: str
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
    count: Annotated[int, Field(ge=1)] = 1
    content: str | None = None
    after: str | None = None
    insert: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

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
    file: str | None = None


class Pip(Model):
    """One `pip install` (or uninstall) in the container, in order."""

    install: tuple[str, ...] = ()
    editable: AbsolutePath | None = None
    requirements: AbsolutePath | None = None
    exclude: tuple[str, ...] = ()
    wheel: str | None = None
    find_links: str | None = None
    no_deps: bool = False
    upgrade: bool = False
    uninstall: tuple[str, ...] = ()


class Packages(Model):
    system: tuple[SystemPackage, ...] = ()
    pip: tuple[Pip, ...] = ()
    #: folder of wheels in the store; without it pip uses its own index
    wheelhouse: str | None = None


class Smoke(Model):
    """A question to the model, judged by its output: exit status proves nothing."""

    kind: Literal["plain", "stdin", "artefact", "http"]
    workdir: AbsolutePath
    command: tuple[str, ...]
    environment: dict[str, str] = {}
    stdin: str = ""
    expect: str = ""
    artefact: AbsolutePath | None = None
    url: str | None = None
    #: seconds; loading 14 GB of weights takes ten minutes
    timeout: Annotated[int, Field(ge=1, le=7200)] = 1200

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
    if path.is_file():
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
    named = all(
        isinstance(side, list) and side and all(isinstance(i, dict) and "name" in i for i in side)
        for side in (base, change)
    )
    if named:
        changes = {item["name"]: item for item in change}
        result = [merged(item, changes.pop(item["name"], {})) for item in base]
        return result + list(changes.values())
    return change


def _data(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path in seen:
        raise InvalidInput(f"{path}: extends itself through {' -> '.join(map(str, seen))}")
    data, _ = documents.read(path)
    parent = data.pop("extends", None)
    if parent is None:
        return data
    beside = path.parent / f"{parent}.yml"
    base = beside if beside.is_file() else find(str(parent))
    result: dict[str, Any] = merged(_data(base, (*seen, path)), data)
    return result


def load(path: Path) -> Release:
    """The release in a file, with what it extends.

    :raises InvalidInput: naming file, line and field
    """
    data = _data(path)
    _, node = documents.read(path)
    return documents.validate(Release, data, path, node)
