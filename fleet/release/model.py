"""The models of a release: what every host must be. Read from files/releases/NAME.yml.

The `#:` comments above the fields are the user documentation: docs/release.md is generated from
them (`make docs`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
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
    RegistryReference,
    RelativePath,
    Sha256,
    build_field_error,
    check_stays_inside,
    matching,
)
from fleet.language import N_, _
from fleet.release.serve import UNPUBLISHED_NETWORKS, Serve
from fleet.text import word_lists


class DriverPackage(Model):
    """The vendor's driver package for one operating system."""

    #: Path of the package file in the store.
    file: RelativePath
    #: Name of the package in the host's package manager.
    package: Name
    #: URL from which `mlufleet store fetch` downloads the file.
    url: DownloadUrl = None


class Driver(Model):
    """The vendor's kernel driver for the cards."""

    #: Version that must be loaded. It must not be older than the image requires.
    version: Annotated[str, matching(r"[0-9]+\.[0-9]+\.[0-9]+", N_("a version such as 5.10.10"))]
    #: Newest kernel that the driver can be built for, if it differs from files/compatibility.yml.
    newest_kernel: Annotated[
        Annotated[str, matching(r"[0-9]+\.[0-9]+", N_("a kernel version such as 5.17"))] | None,
        # keeps the digests of releases that do not set it
        Field(exclude_if=lambda value: value is None),
    ] = None
    #: Driver package per operating system ("ubuntu16.04", "centos7", …). Only needed if the file is
    #: not named as in files/systems.yml.
    packages: dict[str, DriverPackage] = Field(default_factory=dict)
    #: Folder in the store with kernel headers and build tools per operating system, for hosts that
    #: lack those of their running kernel.
    headers: Annotated[
        dict[str, RelativePath], Field(default_factory=dict, exclude_if=lambda value: not value)
    ]


class Engine(Model):
    """The Docker engine on the host."""

    #: Oldest version that is accepted.
    minimum: Annotated[str, matching(r"[0-9]+(\.[0-9]+)*", N_("a version such as 19.03"))] = "19.03"
    #: Folder in the store with Docker packages and their dependencies per operating system
    #: ("ubuntu16.04", "centos7", …). Without one, Docker is installed from the host's package
    #: repositories.
    packages: dict[str, RelativePath] = Field(default_factory=dict)


class Image(Model):
    """The vendor's Docker image. A host's image is compared by its id, which the lock file pins.

    It comes from an archive in the store (`file`), from a registry (`registry`), or from either.
    """

    #: Archive in the store that `docker save` wrote, compressed or not.
    file: Annotated[RelativePath | None, Field(exclude_if=lambda value: value is None)] = None
    #: Image in a registry, by its digest: `harbor.example/pytorch/pytorch@sha256:…`. Hosts pull it;
    #: with `file` as well, hosts that cannot reach the registry get the archive.
    registry: Annotated[RegistryReference | None, Field(exclude_if=lambda value: value is None)] = (
        None
    )
    #: URL from which `mlufleet store fetch` downloads the archive.
    url: DownloadUrl = None
    #: A tag in the archive. What is pulled from a registry gets this tag on the host.
    reference: ImageReference
    #: Python interpreter in the image. It runs the migration tool, pip and the smoke test.
    python: AbsolutePath = "/torch/venv3/pytorch/bin/python"

    @model_validator(mode="after")
    def _check_origin(self) -> Image:
        if self.file is None and self.registry is None:
            raise ValueError(_("set `file`, `registry` or both"))
        if self.file is None and self.url is not None:
            raise ValueError(_("`url` is the address of `file`: set `file` as well"))
        return self


class Mount(Model):
    """A folder of the host that is mounted into the container and outlives it."""

    #: Path on the host. It is created if it is missing.
    host: AbsolutePath
    #: Path in the container.
    container: AbsolutePath
    #: Whether the container cannot write to it.
    read_only: Bool = False


class Container(Model):
    """The container with the cards of the release. It is recreated if any of this changes."""

    #: Name of the container. A foreign container with this name is renamed, not
    #: removed; one that runs is stopped only where the inventory permits it.
    name: Name
    #: Folders of the host. `cnmon` and the shared folder of mlu-fleet are mounted as well.
    mounts: tuple[Mount, ...] = ()
    #: Size of the shared memory (/dev/shm).
    shm_size: Annotated[str, matching(r"[0-9]+[kmg]", N_("a size such as 16g"))] = "16g"
    #: Name of the Docker network.
    network: str = "bridge"
    #: Whether the container gets all capabilities and devices. No known model requires it.
    privileged: Bool = False
    #: Environment variables of every process in the container.
    environment: dict[str, str] = Field(default_factory=dict)

    def is_mounted(self, path: str) -> bool:
        """Check whether a path lies below one of the mounts.

        Args:
            path: Absolute path in the container.

        Returns:
            True if the path refers to a file of the host.
        """
        return any(
            f"{path}/".startswith(mount.container.rstrip("/") + "/") for mount in self.mounts
        )


class Source(Model):
    """A git checkout.

    Exactly one of `tag`, `commit`, `branch` and `unpinned` selects the commit, which the lock file
    pins. Git LFS files remain pointers: large files belong in `weights`. Submodules remain
    empty: add each required one as a source of its own.
    """

    #: Name by which `migration.trees` and `weights.link` refer to the source.
    name: Name
    #: Path in the container, below a mount.
    path: AbsolutePath
    #: URL of the origin, which is used if there is no git bundle file.
    url: (
        Annotated[
            str,
            matching(r"[^-\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*", N_("the URL of a git repository")),
        ]
        | None
    ) = None
    #: File in the store made by `git bundle create`, for hosts without network access.
    bundle: RelativePath | None = None
    #: Tag of the origin.
    tag: str | None = None
    #: Commit. It may be abbreviated if there is a git bundle file.
    commit: Commit | None = None
    #: Branch of the origin. The lock file pins the commit at its head.
    branch: str | None = None
    #: Whether the lock file pins the commit at the origin's HEAD, because upstream has no tag or
    #: branch to name.
    unpinned: Bool = False

    @model_validator(mode="after")
    def _check_revision(self) -> Source:
        revisions = [value is not None for value in (self.tag, self.commit, self.branch)]
        if sum((*revisions, self.unpinned)) != 1:
            raise ValueError(_("set exactly one of tag, commit, branch and `unpinned: true`"))
        if self.url is None and self.bundle is None:
            raise ValueError(_("set `url`, `bundle` or both"))
        return self

    @property
    def revision(self) -> str:
        """The commit, tag or branch; HEAD if the source is unpinned."""
        return self.commit or self.tag or self.branch or "HEAD"


class WeightsLink(Model):
    """Where the weights appear in a source tree. Files that match `code` are migrated too."""

    #: Name of a source that is migrated.
    tree: Name
    #: Path below the tree.
    path: RelativePath
    #: Glob patterns of files that the migration tool must convert.
    code: tuple[str, ...] = ("*.py",)


# excluded from digests, as the addresses of downloads are
HubModel = Annotated[
    Annotated[
        str,
        matching(
            r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[A-Za-z0-9][\w./-]*)?",
            N_("a model such as owner/name or owner/name@revision"),
        ),
    ]
    | None,
    Field(exclude=True),
]


class Weights(Model):
    """Large files that are placed once on the host's disk. The lock file pins their checksums."""

    #: Name in messages.
    name: Name
    #: Folder in the store. If it is a git checkout, it must be at `commit`.
    folder: RelativePath
    #: URL of the folder for `mlufleet store fetch`. File names are appended to it.
    url: DownloadUrl = None
    #: Where the folder comes from. For information, unless it is a model's page at huggingface.co
    #: and neither `huggingface` nor `modelscope` is set: `mlufleet gather` then reads that model.
    repository: str | None = None
    #: Commit of the folder, if it is a git checkout; the revision that `mlufleet gather` reads from
    #: Hugging Face.
    commit: Commit | None = None
    #: Model at Hugging Face that `mlufleet gather` fills the folder from: OWNER/NAME, or
    #: OWNER/NAME@REVISION. `commit` takes precedence over the revision.
    huggingface: HubModel = None
    #: Model at ModelScope that `mlufleet gather` fills the folder from: OWNER/NAME, or
    #: OWNER/NAME@REVISION.
    modelscope: HubModel = None
    #: Patterns of the files that `mlufleet gather` reads from the model. Without them, it reads
    #: what loading needs.
    include: Annotated[tuple[str, ...], Field(exclude=True)] = ()
    #: Path on the host, and the same path in the container.
    target: AbsolutePath
    #: Makes the weights appear in a migrated tree.
    link: WeightsLink | None = None


class Migration(Model):
    """The vendor's migration tool (CUDA to MLU). Without it the sources run unmodified."""

    #: Path of the tool in the image. It differs between image versions.
    tool: AbsolutePath
    #: Names of the sources to migrate. The result is placed next to each as NAME_mlu.
    trees: tuple[Name, ...]


class Patch(Model):
    """One change to one file: a substitution, a replacement of the whole file, or an insertion.

    The file may belong to a migrated tree, to weights, or to the image itself (site-packages).
    Patches of the image are applied after the packages are installed. The original is saved in
    `/var/lib/mlufleet/kept`. A replacement creates the file if it does not exist; missing folders
    are created in source trees and weights only. Further patches of a file change the replacement.
    """

    #: Path in the container.
    file: AbsolutePath
    #: Text to substitute. Line numbers are not supported, because they differ between versions.
    find: str | None = None
    #: Text that replaces `find`.
    replace: str | None = None
    #: How often `find` or `after` must occur in the file. Otherwise the patch is rejected.
    count: Annotated[Int, Field(ge=1)] = 1
    #: New content of the whole file.
    content: str | None = None
    #: File in the store that replaces the whole file.
    store: RelativePath | None = None
    #: Name of a source of which `path` replaces the whole file.
    source: Annotated[Name | None, Field(exclude_if=lambda value: value is None)] = None
    #: File in `source`, at the commit that the lock file pins.
    path: Annotated[RelativePath | None, Field(exclude_if=lambda value: value is None)] = None
    #: Text after which `insert` is inserted.
    after: str | None = None
    #: Text to insert.
    insert: str | None = None
    #: SHA-256 of the patched file. Without it, the result is recorded when the patch is applied
    #: and must not change.
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> Patch:
        kinds = (
            self.find is not None and self.replace is not None,
            self.content is not None,
            self.store is not None,
            self.source is not None and self.path is not None,
            self.after is not None and self.insert is not None,
        )
        if sum(kinds) != 1:
            raise ValueError(
                _(
                    "set exactly one of: find and replace, content, store, source and "
                    "path, after and insert"
                )
            )
        if (self.source is None) != (self.path is None):
            raise ValueError(_("set `source` and `path` together"))
        return self

    @property
    def replaces_file(self) -> bool:
        """Whether it replaces the whole file, whatever that contains."""
        return self.find is None and self.after is None


class SystemPackage(Model):
    """A package for the operating system in the image."""

    #: Name of the package.
    package: Name
    #: Package file in the store, for hosts without network access.
    file: RelativePath | None = None
    #: Package file in the image, where vendors leave packages that are not installed.
    image_file: Annotated[AbsolutePath | None, Field(exclude_if=lambda value: value is None)] = None
    #: URL from which `mlufleet store fetch` downloads the file.
    url: DownloadUrl = None

    @model_validator(mode="after")
    def _check_origin(self) -> SystemPackage:
        if self.image_file and (self.file or self.url):
            raise ValueError(
                _("a package comes from the store (`file`) or the image (`image_file`)")
            )
        return self


class PipCommand(Model):
    """One `pip install` or `pip uninstall` in the container."""

    #: Requirements to install.
    install: tuple[str, ...] = ()
    #: Folder in the container to install in editable mode.
    editable: AbsolutePath | None = None
    #: Requirements file in the container.
    requirements: AbsolutePath | None = None
    #: Names to omit from the requirements file.
    exclude: tuple[str, ...] = ()
    #: Wheel in the store, or its URL.
    wheel: Annotated[str, AfterValidator(check_stays_inside)] | None = None
    #: URL of a page with links to further wheels.
    find_links: str | None = None
    #: Whether to install without dependencies.
    no_deps: Bool = False
    #: Whether to upgrade to the newest available version.
    upgrade: Bool = False
    #: Names to uninstall. If set, nothing is installed.
    uninstall: tuple[str, ...] = ()


class Packages(Model):
    """Packages that are installed in the container."""

    #: System packages, installed before pip runs.
    system: tuple[SystemPackage, ...] = ()
    #: pip commands, run in this order.
    pip: tuple[PipCommand, ...] = ()
    #: Folder of wheels in the store. Without it, pip uses its configured index.
    wheelhouse: RelativePath | None = None


class SmokeTest(Model):
    """A question to the model whose output is checked. Its exit status is not used."""

    #: How the model is asked: `plain` checks the output, `stdin` asks a question on standard
    #: input, `artefact` checks that a file appears, `http` sends a request to a server.
    kind: Literal["plain", "stdin", "artefact", "http"]
    #: Working directory in the container.
    workdir: AbsolutePath
    #: Program and arguments. `python` is the image's interpreter.
    command: tuple[str, ...]
    #: Environment variables of the command.
    environment: dict[str, str] = Field(default_factory=dict)
    #: The question, written to the program's standard input, or sent to a server as the body of a
    #: POST request.
    stdin: str = ""
    #: Whether the line with the answer repeats the question (kind `stdin`).
    echo: Bool = True
    #: Text that the answer must contain.
    expect: str = ""
    #: File that the command must create (kind `artefact`).
    artefact: AbsolutePath | None = None
    #: URL to request (kind `http`).
    url: str | None = None
    #: Time limit in seconds. Loading 14 GB of weights takes about ten minutes.
    timeout: Annotated[Int, Field(ge=1, le=7200)] = 1200

    @model_validator(mode="after")
    def _check_expectation(self) -> SmokeTest:
        required = {"artefact": ["artefact"], "http": ["url", "expect"]}.get(self.kind, ["expect"])
        missing = [name for name in required if not getattr(self, name)]
        if missing:
            raise ValueError(
                _(
                    "a smoke test of kind {kind} requires {missing}",
                    kind=self.kind,
                    missing=word_lists.join_pair(missing),
                )
            )
        return self


class Release(Model):
    """One file in files/releases.

    `extends: OTHER` takes the fields of another release first. `variants` are alternatives that
    are merged over the release; `variant` selects one of them.
    """

    #: Name of the release, the same as the file's.
    name: Name
    #: Description in one line.
    summary: str = ""
    #: Base URL of the whole store, for files without a `url` of their own.
    mirror: DownloadUrl = None
    #: Models of the cards that the release is for, such as MLU370-X8; hosts with others are
    #: refused. `mlufleet release lock` compares image and memory with them. Without it, any MLU370.
    card_models: Annotated[
        tuple[Name, ...], Field(default_factory=tuple, exclude_if=lambda value: not value)
    ]
    #: The driver of the cards.
    driver: Driver
    #: The Docker engine.
    engine: Engine = Engine()
    #: The image of the container.
    image: Image
    #: The container.
    container: Container
    #: Git checkouts.
    sources: tuple[Source, ...] = ()
    #: Large files.
    weights: tuple[Weights, ...] = ()
    #: The migration of sources from CUDA to MLU.
    migration: Migration | None = None
    #: Changes to files, applied in this order.
    patches: tuple[Patch, ...] = ()
    #: Packages in the container.
    packages: Packages = Packages()
    #: The test that a host must pass.
    smoke: SmokeTest
    #: How the model is served as an API afterwards. Without it, nothing is.
    serve: Annotated[Serve | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _check_names(self) -> Release:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(
                _("source names must be unique: {names}", names=word_lists.join_words(names))
            )
        trees = self.migration.trees if self.migration else ()
        for location, name in self._list_source_names():
            if name not in names:
                problem = _(
                    "{name} is not a source; sources: {sources}",
                    name=name,
                    sources=word_lists.join_words(names) or _("none"),
                )
                raise build_field_error(problem, *location)
            if location[0] == "weights" and name not in trees:
                raise build_field_error(
                    _(
                        "{name} is not listed in migration.trees: add it, or mount the weights "
                        "at the path that the program expects",
                        name=name,
                    ),
                    *location,
                )
        return self

    def _list_source_names(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield each field that names a source, and the name."""
        for index, name in enumerate(self.migration.trees if self.migration else ()):
            yield ("migration", "trees", index), name
        for index, weights in enumerate(self.weights):
            if weights.link:
                yield ("weights", index, "link", "tree"), weights.link.tree
        for index, patch in enumerate(self.patches):
            if patch.source:
                yield ("patches", index, "source"), patch.source

    @model_validator(mode="after")
    def _check_mounts(self) -> Release:
        for source in self.sources:
            if not self.container.is_mounted(source.path):
                raise ValueError(
                    _(
                        "source {source}: {path} is not below any of container.mounts",
                        source=source.name,
                        path=source.path,
                    )
                )
        for weights in self.weights:
            for patch in self.patches:
                if weights.link and patch.file.startswith(f"{weights.target}/"):
                    raise ValueError(
                        _(
                            "{file}: patch the file in {tree}_mlu, where the weights {weights} are "
                            "linked",
                            file=patch.file,
                            tree=weights.link.tree,
                            weights=weights.name,
                        )
                    )
        return self

    @model_validator(mode="after")
    def _check_published_ports(self) -> Release:
        network = self.container.network
        if self.serve and network in UNPUBLISHED_NETWORKS:
            raise build_field_error(
                _(
                    "in the network {network}, no port of a container can be published, "
                    "and `serve` needs its ports: use bridge, or a network of your own",
                    network=network,
                ),
                *("container", "network"),
            )
        return self

    def find_source(self, name: str) -> Source:
        """Find a source.

        Args:
            name: Name of an existing source.

        Returns:
            The source.
        """
        return next(source for source in self.sources if source.name == name)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that defines the host; download URLs do not count."""
        return compute_digest(self.model_dump())


def compute_digest(value: Any) -> str:
    """Compute the SHA-256 of a value.

    Args:
        value: Plain data: mappings, lists, strings, numbers.

    Returns:
        The digest in hex.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
