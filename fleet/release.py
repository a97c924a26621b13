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

    def shows(self, path: str) -> bool:
        """Whether what is at a path of the container is the host's."""
        return any(f"{path}/".startswith(mount.container.rstrip("/") + "/")
                   for mount in self.mounts)  # fmt: skip


class Source(Model):
    """A git checkout. One of tag, commit, branch and unpinned says which commit; the lock pins it.

    Files of Git LFS stay pointers: what is big is `weights`, measured and placed apart.
    """

    name: Name
    path: AbsolutePath
    url: str | None = None
    bundle: RelativePath | None = None
    tag: str | None = None
    commit: Commit | None = None
    branch: str | None = None
    #: upstream names no revision: the lock takes what is at its HEAD then
    unpinned: Bool = False

    @model_validator(mode="after")
    def _one_pin(self) -> Source:
        said = [x is not None for x in (self.tag, self.commit, self.branch)]
        if sum((*said, self.unpinned)) != 1:
            raise ValueError("say exactly one of tag, commit and branch, or `unpinned: true`")
        if self.url is None and self.bundle is None:
            raise ValueError("say a url, a bundle, or both")
        return self

    @property
    def revision(self) -> str:
        return self.commit or self.tag or self.branch or "HEAD"


class Link(Model):
    """Where the weights appear in a source tree; what matches `code` is migrated too."""

    tree: Name
    path: RelativePath
    code: tuple[str, ...] = ("*.py",)


class Weights(Model):
    """Big files, placed once on the host's disk; the lock pins their bytes."""

    name: Name
    #: folder in the store; a git checkout there must be at `commit`
    folder: RelativePath
    #: where the folder comes from, for people
    url: str | None = None
    #: what it must be at, where it is a git checkout
    commit: Commit | None = None
    #: the same path on the host and in the container
    target: AbsolutePath
    link: Link | None = None


class Migration(Model):
    """The vendor's tool over trees; without one the sources run as they are."""

    #: in the image; where it lies differs by the image's generation
    tool: AbsolutePath
    #: names of sources; the result of each is beside it, named NAME_mlu
    trees: tuple[Name, ...]


class Patch(Model):
    """One change to one file: a substitution, a whole replacement, or an insertion.

    The file is one of a migrated tree, of weights, or of the image itself (site-packages): the
    last come after the packages. The original is kept in `/var/lib/mlufleet/kept`.
    """

    #: as the container sees it
    file: AbsolutePath
    #: text to substitute, never a line number: that is another one in the next version
    find: str | None = None
    #: what to put in its place
    replace: str | None = None
    #: times that `find` or `after` occurs; where it does not, the patch is refused
    count: Annotated[Int, Field(ge=1)] = 1
    #: the whole new file
    content: str | None = None
    #: file in the store that is the whole new file
    store: RelativePath | None = None
    #: text behind which something is put
    after: str | None = None
    #: what is put there
    insert: str | None = None
    #: of the patched file; without it, what the patch made of the pinned file must stay
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Patch:
        kinds = (
            self.find is not None and self.replace is not None,
            self.content is not None,
            self.store is not None,
            self.after is not None and self.insert is not None,
        )
        if sum(kinds) != 1:
            raise ValueError("say one of: find + replace, content, store, after + insert")
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
    #: the question: given to the program's standard input; to a server, the body of a POST
    stdin: str = ""
    #: whether the line with the answer repeats the question (kind stdin)
    echo: Bool = True
    #: what the answer must contain
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
        trees = list(self.migration.trees) if self.migration else []
        linked = [w.link.tree for w in self.weights if w.link]
        for name in trees + linked:
            if name not in names:
                raise ValueError(f"{name} is not a source; sources are {', '.join(names)}")
        for name in linked:
            if name not in trees:
                raise ValueError(f"weights are linked into {name}, which migration.trees has not; "
                                 "mount them where they are looked for")  # fmt: skip
        return self

    @model_validator(mode="after")
    def _can_be_seen(self) -> Release:
        for source in self.sources:
            if not self.container.shows(source.path):
                raise ValueError(f"source {source.name}: no mount of the container has "
                                 f"{source.path}")  # fmt: skip
        for weights in self.weights:
            for patch in self.patches:
                if weights.link and patch.file.startswith(f"{weights.target}/"):
                    raise ValueError(f"{patch.file}: patch it where {weights.name} is linked, in "
                                     f"{weights.link.tree}_mlu")  # fmt: skip
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
