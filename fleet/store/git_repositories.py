"""Git sources of a release: the commit of each, and whether its bundle is complete."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fleet.errors import InvalidInput
from fleet.language import N_, _
from fleet.release.model import Source, Weights
from fleet.store import file_types
from fleet.store.paths import Warn
from fleet.text.redact import hide_credentials
from fleet.text.word_lists import join_words

#: bounds of a line, and of all lines, of a bundle's header
MAX_LINE_BYTES, MAX_HEADER_BYTES = 64 << 10, 64 << 20
LS_REMOTE_TIMEOUT_S = 120
NO_GIT = N_("git is not installed on this machine: apt-get install git")
#: variables that would let git work on the repository of its caller
REPOSITORY_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
)
#: prevents questions that would wait for an answer, and translations
NON_INTERACTIVE = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "SSH_ASKPASS": "false",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
}
#: for files that come from somebody else: no configuration, hooks, templates or network
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
    """Git ran and failed.

    Args:
        words: arguments of git.
        output: what it printed, on one line.
    """

    def __init__(self, words: str, output: str) -> None:
        self.output = output
        super().__init__(f"git {words}: {output}")


def build_environment(*, isolated: bool) -> dict[str, str]:
    """Build the environment of git without a terminal.

    Args:
        isolated: ignore all configuration and allow local files only.

    Returns:
        Variables for a process.
    """
    environment = {k: v for k, v in os.environ.items() if k not in REPOSITORY_VARIABLES}
    environment |= {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=30"} | environment
    return environment | NON_INTERACTIVE | (ISOLATED if isolated else {})


def run_git(
    *arguments: str,
    isolated: bool = True,
    ok_statuses: tuple[int, ...] = (0,),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run git without a terminal.

    Args:
        *arguments: arguments of git.
        isolated: ignore all configuration and allow local files only, for files that come from
            somebody else (default: True); if False, git must answer within
            :data:`LS_REMOTE_TIMEOUT_S`.
        ok_statuses: exit statuses that mean success (default: 0).
        environment: further variables (default: none).

    Returns:
        Standard output without surrounding whitespace.

    Raises:
        GitError: it exited with another status.
        InvalidInput: git is not installed, or did not answer in time.
    """
    output = read_git_output(
        *arguments, isolated=isolated, ok_statuses=ok_statuses, environment=environment
    )
    return output.decode(errors="replace").strip()


def read_git_output(
    *arguments: str,
    isolated: bool = True,
    ok_statuses: tuple[int, ...] = (0,),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Run git without a terminal, as :func:`run_git` does, and return its output as it is.

    Args:
        *arguments: arguments of git.
        isolated: ignore all configuration and allow local files only (default: True).
        ok_statuses: exit statuses that mean success (default: 0).
        environment: further variables (default: none).

    Returns:
        Standard output.

    Raises:
        GitError: it exited with another status.
        InvalidInput: git is not installed, or did not answer in time.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            env={**build_environment(isolated=isolated), **environment},
            stdin=subprocess.DEVNULL,
            timeout=None if isolated else LS_REMOTE_TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise InvalidInput(_(NO_GIT)) from error
    except subprocess.TimeoutExpired as error:
        values = {"command": hide_credentials(" ".join(arguments)), "seconds": LS_REMOTE_TIMEOUT_S}
        raise InvalidInput(_("git {command}: no answer within {seconds} s", **values)) from error
    if done.returncode not in ok_statuses:
        errors = done.stderr.decode(errors="replace")
        output = " ".join(errors.split()) or _("exit status {status}", status=done.returncode)
        raise GitError(hide_credentials(" ".join(arguments)), hide_credentials(output))
    return done.stdout


@dataclass(frozen=True)
class BundleHeader:
    """The header of a git bundle.

    Attributes:
        refs: object of each ref.
        prerequisites: commits that the reading repository must have already.
    """

    refs: dict[str, str]
    prerequisites: tuple[str, ...]


def read_bundle_header(bundle: Path) -> BundleHeader:
    """Read the header of a git bundle.

    Args:
        bundle: the file.

    Returns:
        The header.

    Raises:
        InvalidInput: the file is not a bundle, or hosts with git 1.8 cannot read its version.
    """
    try:
        with bundle.open("rb") as stream:
            begin = stream.read(file_types.HEAD_BYTES)
            stream.seek(0)
            first, lines = stream.readline(MAX_LINE_BYTES), list(_read_header_lines(stream))
    except OSError as error:
        raise InvalidInput(
            _("{path}: cannot be read: {reason}", path=bundle, reason=error.strerror)
        ) from error
    version = re.fullmatch(rb"# v(\d+) git bundle\n", first)
    if not version:
        raise InvalidInput(
            _(
                "{bundle}: not a git bundle: {content}",
                bundle=bundle,
                content=file_types.describe_content(begin),
            )
        )
    if version[1] != b"2":
        capabilities = " ".join(
            line[1:].decode(errors="replace") for line in lines if line[:1] == b"@"
        )
        raise InvalidInput(
            _(
                "{bundle}: git on a host may be too old for bundle version {version} "
                "({capabilities}): in a complete sha1 repository, run `git bundle create "
                "--version=2 {name} --all`",
                bundle=bundle,
                version=version[1].decode(),
                capabilities=capabilities or _("no capabilities"),
                name=bundle.name,
            )
        )
    words = [line.decode(errors="replace").split() for line in lines]
    prerequisites = tuple(w[0][1:] for w in words if w and w[0].startswith("-"))
    refs = {w[1]: w[0] for w in words if len(w) > 1 and not w[0].startswith("-")}
    return BundleHeader(refs, prerequisites)


def _read_header_lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for line in stream:
        size += len(line)
        if line == b"\n" or len(line) > MAX_LINE_BYTES or size > MAX_HEADER_BYTES:
            return
        yield line.rstrip(b"\n")


def resolve_commit(
    source: Source, store: Path, clone: Path, warn: Warn, other_paths: Iterable[str] = ()
) -> str:
    """Find the full commit of a source, and check that its bundle is complete.

    Args:
        source: the source, with a tag, branch or (abbreviated) commit.
        store: folder of the store.
        clone: the bundle is cloned to this bare repository, which must not exist.
        warn: called with a line for everything that will be missing on hosts.
        other_paths: paths of the release's other sources, which may be its submodules.

    Returns:
        The commit in 40 hexadecimal digits.

    Raises:
        InvalidInput: the commit does not exist, or the bundle is incomplete.
    """
    if source.bundle is None:
        return _resolve_at_origin(source)
    bundle = store / source.bundle
    header = read_bundle_header(bundle)
    remedy = _(
        "create it in a complete clone: `git bundle create {name} HEAD --all`", name=bundle.name
    )
    if header.prerequisites:
        raise InvalidInput(
            _(
                "{bundle}: it contains only changes since {commit}, which hosts do not have; "
                "{remedy}",
                bundle=bundle,
                commit=header.prerequisites[0][:12],
                remedy=remedy,
            )
        )
    try:
        run_git("clone", "--quiet", "--bare", "--", str(bundle.absolute()), str(clone))
    except GitError as error:
        raise InvalidInput(
            _(
                "{bundle}: it cannot be cloned: {output}; it is incomplete, or was "
                "made from a shallow clone (`git fetch --unshallow`); {remedy}",
                bundle=bundle,
                output=error.output,
                remedy=remedy,
            )
        ) from error
    commit = _resolve_in_clone(source, bundle, header, clone)
    _check_complete(commit, bundle, clone, remedy)
    for line in _list_missing_on_hosts(source, commit, clone, tuple(other_paths)):
        warn(line)
    return commit


def _resolve_at_origin(source: Source) -> str:
    if source.commit and len(source.commit) == 40:
        return source.commit
    remote = source.url or ""
    # an annotated tag is an object of its own; its commit is listed as ^{}
    tag, branch = f"refs/tags/{source.tag}", f"refs/heads/{source.branch}"
    refs = (f"{tag}^{{}}", tag) if source.tag else (branch if source.branch else "HEAD",)
    lines = run_git("ls-remote", "--", remote, *refs, isolated=False).splitlines()
    commits = {ref: commit for commit, ref in map(str.split, lines)}
    for ref in refs:
        if ref in commits:
            return commits[ref]
    hint = _(" (give the full commit)") if source.commit else ""
    raise InvalidInput(
        _(
            "source {source}: {origin} has no {revision}{hint}",
            source=source.name,
            origin=hide_credentials(remote),
            revision=source.revision,
            hint=hint,
        )
    )


def _resolve_in_clone(source: Source, bundle: Path, header: BundleHeader, clone: Path) -> str:
    """Find the commit of a source in a clone of its bundle."""
    ref = ""
    if source.tag:
        ref = f"refs/tags/{source.tag}"
    elif source.branch:
        ref = f"refs/heads/{source.branch}"
    elif source.unpinned:
        ref = "HEAD"
    if ref and ref not in header.refs:
        available = join_words(sorted(header.refs)[:8])
        raise InvalidInput(
            _(
                "source {source}: {bundle} has no {revision}; it has {available}",
                source=source.name,
                bundle=bundle,
                revision=source.revision,
                available=available,
            )
        )
    revision = header.refs[ref] if ref else source.commit
    try:
        commit = run_git(
            "--git-dir", str(clone), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"
        )
    except GitError as error:
        raise InvalidInput(
            _(
                "source {source}: {bundle} has no commit {revision}",
                source=source.name,
                bundle=bundle,
                revision=revision,
            )
        ) from error
    if source.commit and not commit.startswith(source.commit):
        raise InvalidInput(
            _(
                "source {source}: {bundle} has no commit {commit}, only a ref of that name",
                source=source.name,
                bundle=bundle,
                commit=source.commit,
            )
        )
    return commit


def _check_complete(commit: str, bundle: Path, clone: Path, remedy: str) -> None:
    try:
        run_git("--git-dir", str(clone), "rev-list", "--objects", "--quiet", commit)
    except GitError as error:
        raise InvalidInput(
            _(
                "{bundle}: objects of commit {commit} are missing: {output}; {remedy}",
                bundle=bundle,
                commit=commit[:12],
                output=error.output,
                remedy=remedy,
            )
        ) from error


def _list_missing_on_hosts(
    source: Source, commit: str, clone: Path, other_paths: tuple[str, ...]
) -> Iterator[str]:
    """Yield a warning about submodules and one about Git LFS files of a commit."""
    tree = run_git("--git-dir", str(clone), "ls-tree", "-r", "-z", commit).split("\0")
    submodules = [line.partition("\t")[2] for line in tree if line.startswith("160000 ")]
    submodules = [path for path in submodules if f"{source.path}/{path}" not in other_paths]
    if submodules:
        yield (
            _(
                "source {source}: submodules stay empty on hosts: {names}; if one is "
                "needed, add it as a source with that path",
                source=source.name,
                names=_format_names(submodules),
            )
        )
    arguments = ("grep", "-z", "-l", "--all-match", *LFS_PATTERNS, commit)
    output = run_git("--git-dir", str(clone), *arguments, ok_statuses=(0, 1))
    pointers = [name.partition(":")[2] for name in output.split("\0") if name]
    if pointers:
        yield (
            _(
                "source {source}: Git LFS files stay pointers on hosts: {names}; if "
                "the model reads one, add it to `weights`",
                source=source.name,
                names=_format_names(pointers),
            )
        )


def _format_names(names: list[str]) -> str:
    listed = join_words(f"{name!r}"[1:-1] for name in names[:5])
    return (
        _("{names} and {count} more", names=listed, count=len(names) - 5)
        if len(names) > 5
        else listed
    )


def check_weights_commit(weights: Weights, store: Path) -> None:
    """Check weights that are a git checkout in the store against the commit in the release.

    Args:
        weights: the weights; without a commit, nothing is checked.
        store: folder of the store.

    Raises:
        InvalidInput: the checkout is at another commit.
    """
    folder = store / weights.folder
    if weights.commit is None or not (folder / ".git").exists():
        return
    commit = run_git("-c", "safe.directory=*", "-C", str(folder), "rev-parse", "HEAD")
    if not commit.startswith(weights.commit):
        raise InvalidInput(
            _(
                "weights {weights}: {folder} is at commit {commit}, but the release has {expected}",
                weights=weights.name,
                folder=folder,
                commit=commit,
                expected=weights.commit,
            )
        )
