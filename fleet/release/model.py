"""A release: what every host must be. Read from files/releases/NAME.yml, frozen."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from fleet.documents.types import (
    AbsolutePath,
    Bool,
    Commit,
    DownloadUrl,
    ImageReference,
    Int,
    Model,
    Name,
    RelativePath,
    Sha256,
    check_stays_inside,
    matching,
)


class DriverPackage(Model):
    """The vendor's package for one operating system; the OS is part of both names."""

    #: in the store
    file: RelativePath
    #: its name on the system
    package: Name
    #: where `mlufleet fetch` gets the file
    url: DownloadUrl = None


class Driver(Model):
    """What runs the cards."""

    #: must be loaded, and not be older than the image needs
    version: Annotated[str, matching(r"[0-9]+\.[0-9]+\.[0-9]+", "a version: 5.10.10")]
    #: newest kernel that it can be built for, where that is not what files/compatibility.yml says
    newest_kernel: Annotated[
        Annotated[str, matching(r"[0-9]+\.[0-9]+", "a kernel: 5.17")] | None,
        Field(exclude_if=lambda said: said is None),  # digests of those that do not say it stay
    ] = None
    #: "ubuntu16.04", "centos7", … -> package, where a file is not named as files/systems.yml has it
    packages: dict[str, DriverPackage] = Field(default_factory=dict)
    #: "ubuntu16.04", "centos7", … -> folder in the store with the headers of that system's kernels
    #: and what they need; for hosts that lack those of the kernel they run
    headers: Annotated[
        dict[str, RelativePath], Field(default_factory=dict, exclude_if=lambda said: not said)
    ]


class Engine(Model):
    """Docker on the host."""

    #: oldest version that will do
    minimum: Annotated[str, matching(r"[0-9]+(\.[0-9]+)*", "a version: 19.03")] = "19.03"
    #: "ubuntu16.04", "centos7", … -> folder in the store with that system's docker packages and
    #: what they need; without one the system's own repositories are asked
    packages: dict[str, RelativePath] = Field(default_factory=dict)


class Image(Model):
    """The vendor's docker image; a host has it by its id, which the lock pins."""

    #: in the store: what `docker save` wrote, packed or not
    file: RelativePath
    #: where `mlufleet fetch` gets the file
    url: DownloadUrl = None
    #: a tag that the file has
    reference: ImageReference
    #: in the image: runs the tool, pip and the smoke test
    python: AbsolutePath = "/torch/venv3/pytorch/bin/python"


class Mount(Model):
    """A folder of the host that the container shows; it outlives the container."""

    #: on the host; made where it is missing
    host: AbsolutePath
    #: where the container has it
    container: AbsolutePath
    #: whether the container may not write
    read_only: Bool = False


class Container(Model):
    """One container with exactly the host's cards; it is made anew when this changes."""

    #: another container of that name is kept under another one
    name: Name
    #: besides cnmon and what the tool shares itself
    mounts: tuple[Mount, ...] = ()
    #: shared memory
    shm_size: Annotated[str, matching(r"[0-9]+[kmg]", "a size: 16g")] = "16g"
    #: docker's name of a network
    network: str = "bridge"
    #: all rights and all nodes; nothing known needs it
    privileged: Bool = False
    #: of every process
    environment: dict[str, str] = Field(default_factory=dict)

    def is_mounted(self, path: str) -> bool:
        """Whether what is at a path of the container is the host's."""
        return any(
            f"{path}/".startswith(mount.container.rstrip("/") + "/") for mount in self.mounts
        )


class Source(Model):
    """A git checkout. One of tag, commit, branch and unpinned says which commit; the lock pins it.

    Files of Git LFS stay pointers: what is big is `weights`, measured and placed apart. Submodules
    stay empty: each that is needed is a source of its own.
    """

    #: by which trees are named
    name: Name
    #: in the container, below a mount
    path: AbsolutePath
    #: origin, asked where there is no bundle
    url: (
        Annotated[
            str, matching(r"[^-\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*", "an address of a git repository")
        ]
        | None
    ) = None
    #: in the store, for hosts without network (`git bundle create`)
    bundle: RelativePath | None = None
    #: one of the origin's
    tag: str | None = None
    #: may be abbreviated where there is a bundle
    commit: Commit | None = None
    #: what is at its end when the lock is written
    branch: str | None = None
    #: upstream names no revision: the lock takes what is at its HEAD then
    unpinned: Bool = False

    @model_validator(mode="after")
    def _check_revision(self) -> Source:
        said = [x is not None for x in (self.tag, self.commit, self.branch)]
        if sum((*said, self.unpinned)) != 1:
            raise ValueError("say exactly one of tag, commit and branch, or `unpinned: true`")
        if self.url is None and self.bundle is None:
            raise ValueError("say a url, a bundle, or both")
        return self

    @property
    def revision(self) -> str:
        return self.commit or self.tag or self.branch or "HEAD"


class WeightsLink(Model):
    """Where the weights appear in a source tree; what matches `code` is migrated too."""

    #: a migrated source
    tree: Name
    #: below the tree
    path: RelativePath
    #: names of files that the tool has to convert
    code: tuple[str, ...] = ("*.py",)


class Weights(Model):
    """Big files, placed once on the host's disk; the lock pins their bytes."""

    #: for people
    name: Name
    #: folder in the store; a git checkout there must be at `commit`
    folder: RelativePath
    #: of the folder, for `mlufleet fetch`: a file's name is added
    url: DownloadUrl = None
    #: where the folder comes from, for people
    repository: str | None = None
    #: what it must be at, where it is a git checkout
    commit: Commit | None = None
    #: the same path on the host and in the container
    target: AbsolutePath
    #: shows them in a migrated tree
    link: WeightsLink | None = None


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
    def _check_kind(self) -> Patch:
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
    """A package of the image's own system."""

    #: its name
    package: Name
    #: file in the store, for hosts without network
    file: RelativePath | None = None
    #: where `mlufleet fetch` gets the file
    url: DownloadUrl = None


class PipCommand(Model):
    """One `pip install` (or uninstall) in the container, in order."""

    #: names, with versions
    install: tuple[str, ...] = ()
    #: folder in the container
    editable: AbsolutePath | None = None
    #: file in the container
    requirements: AbsolutePath | None = None
    #: names to leave out of the requirements
    exclude: tuple[str, ...] = ()
    #: file in the store, or a URL
    wheel: Annotated[str, AfterValidator(check_stays_inside)] | None = None
    #: page with more wheels
    find_links: str | None = None
    #: without what it depends on
    no_deps: Bool = False
    #: to the newest there is
    upgrade: Bool = False
    #: names; nothing else is done then
    uninstall: tuple[str, ...] = ()


class Packages(Model):
    """What is installed in the container."""

    #: before pip
    system: tuple[SystemPackage, ...] = ()
    #: in order
    pip: tuple[PipCommand, ...] = ()
    #: folder of wheels in the store; without it pip uses its own index
    wheelhouse: RelativePath | None = None


class SmokeTest(Model):
    """A question to the model, judged by its output: exit status proves nothing."""

    #: plain output, a question on stdin, a file that appears, a server that is asked
    kind: Literal["plain", "stdin", "artefact", "http"]
    #: in the container
    workdir: AbsolutePath
    #: program and arguments; `python` is the image's
    command: tuple[str, ...]
    #: of the command
    environment: dict[str, str] = Field(default_factory=dict)
    #: the question: given to the program's standard input; to a server, the body of a POST
    stdin: str = ""
    #: whether the line with the answer repeats the question (kind stdin)
    echo: Bool = True
    #: what the answer must contain
    expect: str = ""
    #: file that the command must make (kind artefact)
    artefact: AbsolutePath | None = None
    #: what is asked (kind http)
    url: str | None = None
    #: seconds; loading 14 GB of weights takes ten minutes
    timeout: Annotated[Int, Field(ge=1, le=7200)] = 1200

    @model_validator(mode="after")
    def _check_expectation(self) -> SmokeTest:
        needed = {"artefact": ["artefact"], "http": ["url", "expect"]}.get(self.kind, ["expect"])
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"a smoke test of kind {self.kind} needs {' and '.join(missing)}")
        return self


class Release(Model):
    """One file in files/releases; `extends: OTHER` takes another one first, and one of `variants`
    (chosen by `variant`) is merged over it."""

    #: as the file's
    name: Name
    #: one line
    summary: str = ""
    #: where all of the store lies; for files without a `url` of their own
    mirror: DownloadUrl = None
    #: what runs the cards
    driver: Driver
    #: docker
    engine: Engine = Engine()
    #: what the container is made of
    image: Image
    #: how it is made
    container: Container
    #: checkouts
    sources: tuple[Source, ...] = ()
    #: big files
    weights: tuple[Weights, ...] = ()
    #: the vendor's tool
    migration: Migration | None = None
    #: in order
    patches: tuple[Patch, ...] = ()
    #: in the container
    packages: Packages = Packages()
    #: what proves a host
    smoke: SmokeTest

    @model_validator(mode="after")
    def _check_names(self) -> Release:
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
                raise ValueError(
                    f"weights are linked into {name}, which migration.trees has not; "
                    "mount them where they are looked for"
                )
        return self

    @model_validator(mode="after")
    def _check_mounts(self) -> Release:
        for source in self.sources:
            if not self.container.is_mounted(source.path):
                raise ValueError(
                    f"source {source.name}: no mount of the container has {source.path}"
                )
        for weights in self.weights:
            for patch in self.patches:
                if weights.link and patch.file.startswith(f"{weights.target}/"):
                    raise ValueError(
                        f"{patch.file}: patch it where {weights.name} is linked, in "
                        f"{weights.link.tree}_mlu"
                    )
        return self

    def find_source(self, name: str) -> Source:
        return next(source for source in self.sources if source.name == name)

    @property
    def digest(self) -> str:
        return compute_digest(self.model_dump())


def compute_digest(value: Any) -> str:
    """sha256 (hex) of a value made of plain data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
