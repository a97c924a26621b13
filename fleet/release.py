"""A release: what every host must be. Read from files/releases/NAME.yml, frozen."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from fleet.shapes import (
    AbsolutePath,
    Bool,
    Commit,
    Int,
    Model,
    Name,
    Origin,
    Reference,
    RelativePath,
    Sha256,
    like,
    stays_inside,
)  # fmt: skip


class DriverPackage(Model):
    """The vendor's package for one operating system; the OS is part of both names."""

    file: RelativePath
    package: Name
    url: Origin = None


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
    url: Origin = None
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
    #: of the folder; a file's name is added
    url: Origin = None
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
    url: Origin = None


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
    #: where all of the store lies; for files without a `url` of their own
    mirror: Origin = None
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
