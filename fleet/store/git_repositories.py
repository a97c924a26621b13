"""Git sources of a release: the commit of each, proved by git itself to be there whole."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.errors import InvalidInput
from fleet.release.model import Release, Source, Weights
from fleet.store import file_types
from fleet.text.redact import hide_credentials

Warn = Callable[[str], object]

#: bytes of a line and of all lines before a bundle's pack
MAX_LINE_BYTES, MAX_HEADER_BYTES = 64 << 10, 64 << 20
#: seconds for a server's first answer
LS_REMOTE_TIMEOUT_S = 120
#: where git was called from must not say on which repository it works
REPOSITORY_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
)
#: nobody is there to answer
NON_INTERACTIVE = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "SSH_ASKPASS": "false",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
}
#: for what was handed over: no configuration, hooks, templates or protocols of anybody
ISOLATED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_PARAMETERS": "",
    "GIT_ALLOW_PROTOCOL": "file",
    "GIT_TEMPLATE_DIR": "",
}
LFS_PATTERNS = ("-e", "^version https://git-lfs", "-e", "^oid sha256:[0-9a-f]\\{64\\}$")


class GitError(InvalidInput):
    """Git ran, and did not do it.

    :param said: what it printed, in one line
    """

    def __init__(self, words: str, said: str) -> None:
        self.output = said
        super().__init__(f"git {words}: {said}")


def run_git(*arguments: str, isolated: bool = True, ok_statuses: tuple[int, ...] = (0,)) -> str:
    """What git prints.

    :param alone: on files that were handed over, with no configuration of anybody
    :raises InvalidInput: it fails, or is not there
    """
    environment = {k: v for k, v in os.environ.items() if k not in REPOSITORY_VARIABLES}
    environment |= {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=30"} | environment
    environment |= NON_INTERACTIVE | (ISOLATED if isolated else {})
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=None if isolated else LS_REMOTE_TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise InvalidInput("git is not installed on this machine: apt-get install git") from error
    except subprocess.TimeoutExpired as error:
        words = hide_credentials(" ".join(arguments))
        raise InvalidInput(f"git {words}: no answer within {LS_REMOTE_TIMEOUT_S} s") from error
    if done.returncode not in ok_statuses:
        said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise GitError(hide_credentials(" ".join(arguments)), hide_credentials(said))
    return done.stdout.strip()


@dataclass(frozen=True)
class BundleHeader:
    """What a bundle says before its pack."""

    #: ref -> object
    refs: dict[str, str]
    #: commits that whoever reads it has to have
    prerequisites: tuple[str, ...]


def read_bundle_header(bundle: Path) -> BundleHeader:
    """:raises InvalidInput: it is no bundle, or none that git 1.8 on a host can read alone"""
    try:
        with bundle.open("rb") as stream:
            begin = stream.read(file_types.HEAD_BYTES)
            stream.seek(0)
            first, lines = stream.readline(MAX_LINE_BYTES), list(_read_header_lines(stream))
    except OSError as error:
        raise InvalidInput(f"{bundle}: cannot be read: {error.strerror}") from error
    version = re.fullmatch(rb"# v(\d+) git bundle\n", first)
    if not version:
        raise InvalidInput(f"{bundle}: no git bundle: {file_types.describe_content(begin)}")
    if version[1] != b"2":
        said = " ".join(line[1:].decode(errors="replace") for line in lines if line[:1] == b"@")
        raise InvalidInput(
            f"{bundle}: a bundle of version {version[1].decode()} ({said or 'no capabilities'}), "
            "which the git of hosts may not read: it takes a whole repository of sha1 commits, "
            f"and there `git bundle create --version=2 {bundle.name} --all`"
        )
    words = [line.decode(errors="replace").split() for line in lines]
    needs = tuple(w[0][1:] for w in words if w and w[0].startswith("-"))
    refs = {w[1]: w[0] for w in words if len(w) > 1 and not w[0].startswith("-")}
    return BundleHeader(refs, needs)


def _read_header_lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    there = 0
    for line in stream:
        there += len(line)
        if line == b"\n" or len(line) > MAX_LINE_BYTES or there > MAX_HEADER_BYTES:
            return
        yield line.rstrip(b"\n")


def resolve_commit(source: Source, store: Path, warn: Warn, others: Iterable[str] = ()) -> str:
    """The full commit that a source's tag, branch or (abbreviated) commit means.

    :param others: paths of the release's other sources
    :raises InvalidInput: it cannot be found where the source says, or not all of it is there
    """
    if source.bundle is None:
        return _resolve_at_origin(source)
    bundle = store / source.bundle
    found = read_bundle_header(bundle)
    whole = f"in a whole clone `git bundle create {bundle.name} HEAD --all`"
    if found.prerequisites:
        raise InvalidInput(
            f"{bundle}: has only what is new since {found.prerequisites[0][:12]}, "
            "which hosts have not: "
            f"{whole} has all"
        )
    with TemporaryDirectory(prefix="mlufleet-") as scratch:
        place = f"{scratch}/trial"
        try:
            run_git("clone", "--quiet", "--bare", "--", str(bundle.absolute()), place)
        except GitError as error:
            raise InvalidInput(
                f"{bundle}: no host could clone it: {error.output}; it is cut, or of a "
                f"shallow clone (`git fetch --unshallow`): {whole} has all"
            ) from error
        commit = _resolve_in_clone(source, bundle, found, place)
        _check_complete(commit, bundle, place, whole)
        for line in _list_missing_on_hosts(source, commit, place, tuple(others)):
            warn(line)
    return commit


def _resolve_at_origin(source: Source) -> str:
    if source.commit and len(source.commit) == 40:
        return source.commit
    remote = source.url or ""
    # a tag may be an object of its own: then the commit is listed as its ^{}
    tag, branch = f"refs/tags/{source.tag}", f"refs/heads/{source.branch}"
    refs = (f"{tag}^{{}}", tag) if source.tag else (branch if source.branch else "HEAD",)
    found = [
        line.split()
        for line in run_git("ls-remote", "--", remote, *refs, isolated=False).splitlines()
    ]
    listed = {ref: commit for commit, ref in found}
    for ref in refs:
        if ref in listed:
            return listed[ref]
    hint = " (say the whole commit)" if source.commit else ""
    raise InvalidInput(
        f"source {source.name}: {hide_credentials(remote)} has no {source.revision}{hint}"
    )


def _resolve_in_clone(source: Source, bundle: Path, found: BundleHeader, place: str) -> str:
    """The commit that is meant, in a clone of its bundle."""
    ref = next(
        (
            ref
            for ref, said in (
                (f"refs/tags/{source.tag}", source.tag),
                (f"refs/heads/{source.branch}", source.branch),
                ("HEAD", source.unpinned),
            )
            if said
        ),
        "",
    )
    if ref and ref not in found.refs:
        has = ", ".join(sorted(found.refs)[:8])
        raise InvalidInput(f"source {source.name}: {bundle} has no {source.revision}; it has {has}")
    revision = found.refs[ref] if ref else source.commit
    try:
        commit = run_git(
            "--git-dir", place, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"
        )
    except GitError as error:
        raise InvalidInput(f"{bundle} has no commit {revision}") from error
    if source.commit and not commit.startswith(source.commit):
        raise InvalidInput(f"{bundle} has no commit {source.commit}, only a name like it")
    return commit


def _check_complete(commit: str, bundle: Path, place: str, whole: str) -> None:
    try:
        run_git("--git-dir", place, "rev-list", "--objects", "--quiet", commit)
    except GitError as error:
        raise InvalidInput(
            f"{bundle}: has not all of {commit[:12]}: {error.output}; {whole}"
        ) from error


def _list_missing_on_hosts(
    source: Source, commit: str, place: str, others: tuple[str, ...]
) -> Iterator[str]:
    """What of a commit is on no host that has checked it out."""
    tree = run_git("--git-dir", place, "ls-tree", "-r", "-z", commit).split("\0")
    inside = [line.partition("\t")[2] for line in tree if line.startswith("160000 ")]
    inside = [path for path in inside if f"{source.path}/{path}" not in others]
    if inside:
        yield (
            f"source {source.name}: its submodules stay empty on hosts: "
            f"{_format_names(inside)}; one "
            "that is needed is a source of its own, with that path"
        )
    pointers = run_git(
        "--git-dir",
        place,
        "grep",
        "-z",
        "-l",
        "--all-match",
        *LFS_PATTERNS,
        commit,
        ok_statuses=(0, 1),
    ).split("\0")
    pointers = [name.partition(":")[2] for name in pointers if name]
    if pointers:
        yield (
            f"source {source.name}: files of Git LFS stay pointers on hosts: "
            f"{_format_names(pointers)}; "
            "what a model reads of them is `weights`"
        )


def _format_names(names: list[str]) -> str:
    listed = ", ".join(f"{name!r}"[1:-1] for name in names[:5])
    return f"{listed} and {len(names) - 5} more" if len(names) > 5 else listed


def resolve_sources(release: Release, store: Path, warn: Warn) -> dict[str, str]:
    """The commit of each source.

    :raises InvalidInput: one is not where the release says
    """
    paths = [source.path for source in release.sources]
    return {source.name: resolve_commit(source, store, warn, paths) for source in release.sources}


def check_weights_commit(weights: Weights, store: Path) -> None:
    """Weights that are a git checkout in the store are at the commit that the release names.

    :raises InvalidInput: they are not
    """
    folder = store / weights.folder
    if weights.commit is None or not (folder / ".git").exists():
        return
    found = run_git("-c", "safe.directory=*", "-C", str(folder), "rev-parse", "HEAD")
    if not found.startswith(weights.commit):
        raise InvalidInput(f"weights {weights.name}: {folder} is at {found}, not {weights.commit}")
