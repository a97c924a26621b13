"""Compares a release with the facts of its upstreams."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from fleet.release.model import Patch, Release, Source
from tests.upstreams import Upstream
from tests.upstreams.images import VendorImage
from tests.upstreams.serving import list_serve_problems

#: Files that make a folder a Python project.
PROJECT_FILES = ("setup.py", "setup.cfg", "pyproject.toml")
SCRIPT = re.compile(r"[\w./-]+\.(?:py|sh)\b")
#: What loading prints, with or without an answer.
LOADING = "Loading checkpoint shards: 100%|██████████| 7/7 [00:09<00:00,  1.35s/it]"


@dataclass(frozen=True)
class Place:
    """Where a path of the container lies in a source.

    Attributes:
        source: the source.
        path: path in it; empty for its root.
        migrated: whether it is the migrated copy.
    """

    source: Source
    path: str
    migrated: bool


@dataclass(frozen=True)
class ReleaseCheck:
    """A release beside the facts of its upstreams.

    Attributes:
        release: the release.
        upstreams: facts of the upstreams.
        images: facts of the images by tag.
    """

    release: Release
    upstreams: tuple[Upstream, ...]
    images: dict[str, VendorImage]

    def list_problems(self) -> Iterator[str]:
        """Yield what the release says otherwise than the facts."""
        yield from self._check_sources()
        yield from self._check_image()
        yield from self._check_packages()
        for patch in self.release.patches:
            yield from self._check_patch(patch)
        yield from self._check_smoke_paths()
        yield from self._check_smoke_script()
        yield from list_serve_problems(self)

    def find_upstream(self, source: Source) -> Upstream | None:
        """Find the facts of a source at its revision."""
        for upstream in self.upstreams:
            same_tag = source.tag and source.tag == upstream.tag
            same_commit = source.commit and upstream.commit.startswith(source.commit)
            # GitHub ignores the case of names
            same_url = (source.url or "").casefold() == upstream.url.casefold()
            if same_url and (same_tag or same_commit or upstream.is_fork):
                return upstream
        return None

    def locate(self, path: str) -> Place | None:
        """Find the source that a path of the container lies in, the innermost of several."""
        migrated = self.release.migration.trees if self.release.migration else ()
        roots = [(source.path, source, False) for source in self.release.sources]
        roots += [(f"{s.path}_mlu", s, True) for s in self.release.sources if s.name in migrated]
        inside = [root for root in roots if _is_inside(path, root[0])]
        if not inside:
            return None
        root, source, is_migrated = max(inside, key=lambda found: len(found[0]))
        return Place(source, path[len(root) + 1 :], is_migrated)

    def exists(self, path: str) -> bool | None:
        """Tell whether a path of the container exists; None if no facts tell."""
        if path in self.placed_files or self.is_weights(path):
            return True
        place = self.locate(path)
        if place is None:
            if self.release.container.is_mounted(path):
                return False
            return self.image.has(path) if self.image else None
        if not (upstream := self.find_upstream(place.source)) or not upstream.lists(place.path):
            return None
        return place.path in upstream.files or upstream.has_folder(place.path)

    def is_weights(self, path: str) -> bool:
        """Tell whether a path of the container is a folder or file of weights."""
        roots = [weights.target for weights in self.release.weights]
        for weights in self.release.weights:
            if link := weights.link:
                root = self.release.find_source(link.tree).path
                roots += [f"{root}/{link.path}", f"{root}_mlu/{link.path}"]
        paths = (path, self._find_on_host(path))
        return any(_is_inside(each, root) for each in paths for root in roots)

    def _find_on_host(self, path: str) -> str:
        """Return the path of the host that the innermost mount has a path of the container from."""
        mounts = [m for m in self.release.container.mounts if _is_inside(path, m.container)]
        if not mounts:
            return path
        mount = max(mounts, key=lambda mount: len(mount.container))
        return mount.host + path[len(mount.container) :]

    @cached_property
    def image(self) -> VendorImage | None:
        """The facts of the image."""
        return self.images.get(self.release.image.reference.rpartition(":")[2])

    @cached_property
    def placed_files(self) -> dict[str, Patch]:
        """The files that patches replace or add as a whole."""
        return {patch.file: patch for patch in self.release.patches if patch.replaces_file}

    def _check_sources(self) -> Iterator[str]:
        for source in self.release.sources:
            # without a URL it comes from the vendor's support
            if source.url and not self.find_upstream(source):
                yield f"source {source.name}: no facts of {source.url} at {source.revision}"

    def _check_image(self) -> Iterator[str]:
        migration = self.release.migration
        if self.image and migration and migration.tool != self.image.tool:
            yield f"migration.tool: {self.image.tag} has {self.image.tool}, not {migration.tool}"

    def _check_packages(self) -> Iterator[str]:
        for package in self.release.packages.system:
            if package.image_file and self.exists(package.image_file) is False:
                yield f"packages: no file {package.image_file}"
        for command in self.release.packages.pip:
            if command.requirements and self.exists(command.requirements) is False:
                yield f"packages: no file {command.requirements}"
            files = [f"{command.editable}/{name}" for name in PROJECT_FILES]
            if command.editable and all(self.exists(file) is False for file in files):
                yield f"packages: no project in {command.editable}"

    def _check_patch(self, patch: Patch) -> Iterator[str]:
        yield from self._check_origin(patch)
        # the text that is searched may be that of a replacement
        path = self.locate_origin(self.placed_files.get(patch.file)) or patch.file
        place = None if self.is_weights(path) else self.locate(path)
        upstream = self.find_upstream(place.source) if place else None
        text = patch.find or patch.after
        if not place or not upstream or text is None:
            return
        if place.path not in upstream.files:
            yield f"patch: no file {path}"
            return
        counts = {
            migrate(anchor.text) if place.migrated else anchor.text: anchor.count
            for anchor in upstream.anchors
            if anchor.file == place.path
        }
        if text not in counts:
            yield f"patch: no facts say how often {text!r} occurs in {place.path}: add an anchor"
        elif counts[text] != patch.count:
            yield f"patch: {text!r} occurs {counts[text]} times in {place.path}, not {patch.count}"

    def _check_origin(self, patch: Patch) -> Iterator[str]:
        """Check where the text of a whole file comes from."""
        if patch.store is not None:
            name = posixpath.basename(patch.store)
            for upstream in self.upstreams:
                pattern = f"pytorch*/*/tools/{name}"
                if any(PurePosixPath(file).match(pattern) for file in upstream.files):
                    yield f"patch: {patch.store} from the store: {upstream.url} has a {name}"
        if (path := self.locate_origin(patch)) and self.exists(path) is False:
            yield f"patch: no file {path}"

    def locate_origin(self, patch: Patch | None) -> str | None:
        """Return the path of the file that a patch copies from a source."""
        if patch is None or patch.source is None:
            return None
        return f"{self.release.find_source(patch.source).path}/{patch.path}"

    def _check_smoke_paths(self) -> Iterator[str]:
        smoke = self.release.smoke
        if self.exists(smoke.workdir) is False:
            yield f"smoke.workdir: no folder {smoke.workdir}"
        for script in self._list_scripts():
            if self.exists(script) is False:
                yield f"smoke.command: no file {script}"
        for word in " ".join(smoke.command).split():
            path = re.sub(r"^--\w+=", "", word).partition(":")[0]
            if path.startswith("/") and not SCRIPT.fullmatch(path) and self.exists(path) is False:
                yield f"smoke.command: no file {path}"

    def _list_scripts(self) -> list[str]:
        """List the scripts that the smoke test's command names."""
        smoke = self.release.smoke
        names = [name for word in smoke.command for name in SCRIPT.findall(word)]
        return [posixpath.normpath(posixpath.join(smoke.workdir, name)) for name in names]

    def _check_smoke_script(self) -> Iterator[str]:
        smoke = self.release.smoke
        if smoke.expect and smoke.expect in LOADING:
            yield f"smoke.expect: loading prints {smoke.expect!r}"
        for script in self._list_scripts():
            origin = self.locate_origin(self.placed_files.get(script)) or script
            place = self.locate(origin)
            upstream = self.find_upstream(place.source) if place else None
            if not place or not upstream or place.path not in upstream.files:
                continue
            if place.path not in upstream.scripts:
                if script.endswith(".py") and not upstream.is_fork:
                    yield f"smoke.command: no facts of {place.path}: add --script"
                continue
            yield from self._compare_script(script, place, upstream)

    def _compare_script(self, script: str, place: Place, upstream: Upstream) -> Iterator[str]:
        smoke, facts = self.release.smoke, upstream.scripts[place.path]
        for option in re.findall(r"(?<!\S)--\w+", " ".join(smoke.command)):
            if option not in facts.options:
                yield f"smoke.command: {place.path} has no option {option}"
        for text in (*facts.prints, *facts.asks):
            if smoke.expect and smoke.expect in text:
                yield f"smoke.expect: {place.path} itself prints {text!r}"
        if (smoke.kind == "stdin") != bool(facts.asks):
            yield f"smoke.kind: {place.path} asks {facts.asks or 'nothing'}"
        for literal in facts.loads:
            for patch in self.release.patches:
                if patch.file == script and patch.find and patch.replace:
                    literal = literal.replace(patch.find, patch.replace)
            if literal.startswith((".", "/")):
                path = posixpath.normpath(posixpath.join(smoke.workdir, literal))
                if not self.is_weights(path):
                    yield f"weights: {place.path} loads {literal}: no weights at {path}"
            elif literal != "<computed>":
                yield f"weights: {place.path} asks the hub for {literal}"
        if smoke.kind == "http":
            for key in set(re.findall(r'"(message|content|role)" *:', smoke.stdin)):
                if key not in facts.keys:
                    yield f"smoke.stdin: {place.path} does not read {key!r} of a message"
            if smoke.expect in smoke.stdin:
                yield "smoke.expect: the server repeats the question"


def _is_inside(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def migrate(text: str) -> str:
    """Return a text as the migration tool leaves it, `import torch` aside."""
    return text.replace("cuda", "mlu").replace("nccl", "cncl")
