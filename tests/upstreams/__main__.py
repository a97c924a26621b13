"""Make or bring up to date the facts of a repository: python -m tests.upstreams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from fleet.errors import InvalidInput
from fleet.store.git_repositories import read_git_output, run_git
from tests.upstreams import Anchor, FileFacts, Upstream
from tests.upstreams.scripts import ScriptFacts


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("repository", type=click.Path(exists=True, path_type=Path))
@click.argument("facts", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--commit", help="Commit, tag or branch to describe.")
@click.option("--url", help="Where the repository comes from.")
@click.option("--tag", help="Tag that releases name.")
@click.option("--note", help="What the facts lack, such as all that only an archive has not.")
@click.option("--archive", is_flag=True, help="It was made of an archive: leave out the commit.")
@click.option("--only", multiple=True, metavar="PATTERN", help="List these paths alone.")
@click.option("--anchor", multiple=True, metavar="FILE:TEXT", help="Count a text in a file.")
@click.option(
    "--script",
    multiple=True,
    metavar="FILE",
    help="What a script takes and prints, or a requirements file requires.",
)
def main(
    repository: Path,
    facts: Path,
    archive: bool,
    only: tuple[str, ...],
    anchor: tuple[str, ...],
    script: tuple[str, ...],
    **values: str | None,
) -> None:
    """Write the facts of a git REPOSITORY at one commit into the JSON file FACTS.

    REPOSITORY is a bare repository, a clone or a bundle. A file that exists keeps its commit, its
    URL, its anchors and its scripts, all read again; what the options say is added.

    \b
    Example:
      python -m tests.upstreams model.bundle tests/upstreams/model.json \\
        --url https://github.com/example/model --commit 4247c4a \\
        --anchor cli_demo.py:example/model --script cli_demo.py
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        old = Upstream.load(facts) if facts.exists() else Upstream(url="", commit="")
        wanted = replace(old, only=old.only + only, **given)
        if archive:
            wanted = replace(wanted, commit=wanted.commit or "HEAD")
        if not wanted.commit or not wanted.url:
            raise click.UsageError("a new file needs --commit and --url")
        anchors = [(anchor.file, anchor.text) for anchor in old.anchors]
        anchors += [_split_anchor(text) for text in anchor]
        with _open_repository(repository) as folder:
            described = describe(folder, wanted, anchors, [*old.scripts, *script])
            if archive:
                described = replace(described, commit="")
    except (InvalidInput, SyntaxError) as error:
        raise click.ClickException(str(error)) from error
    facts.write_text(described.format_json(), encoding="utf-8")
    click.echo(f"{facts}: {len(described.files)} files")
    for never in (anchor for anchor in described.anchors if not anchor.count):
        click.echo(f"{never.file}: {never.text!r} does not occur", err=True)


def _split_anchor(text: str) -> tuple[str, str]:
    file, colon, anchor = text.partition(":")
    if not colon or not anchor:
        raise click.UsageError(f"--anchor {text}: expected FILE:TEXT")
    return file, anchor


@contextmanager
def _open_repository(path: Path) -> Iterator[Path]:
    """Yield the git folder of a bare repository, a clone or a bundle."""
    if path.is_dir():
        yield path / ".git" if (path / ".git").exists() else path
        return
    with TemporaryDirectory(prefix="mlufleet-") as scratch:
        clone = Path(scratch) / "clone"
        run_git("clone", "--quiet", "--bare", "--", str(path.absolute()), str(clone))
        yield clone


def describe(
    folder: Path, wanted: Upstream, anchors: list[tuple[str, str]], scripts: list[str]
) -> Upstream:
    """Describe a commit of a repository.

    Args:
        folder: the git folder.
        wanted: which commit, and which of its paths.
        anchors: files, and texts to count in them.
        scripts: scripts to describe.

    Returns:
        The facts.

    Raises:
        InvalidInput: there is no such commit or file.
    """
    revision = f"{wanted.commit}^{{commit}}"
    commit = run_git("--git-dir", str(folder), "rev-parse", "--verify", "--quiet", revision)
    listed = run_git("--git-dir", str(folder), "ls-tree", "-r", "-l", "-z", commit)
    files = dict(_parse_entry(entry) for entry in filter(None, listed.split("\0")))

    def read(file: str) -> str:
        if file not in files:
            raise InvalidInput(f"{folder}: commit {commit} has no file {file}")
        blob = read_git_output("--git-dir", str(folder), "cat-file", "blob", files[file].blob)
        return blob.decode(errors="replace")

    texts = {file: read(file) for file in {file for file, _ in anchors} | set(scripts)}
    return replace(
        wanted,
        commit=commit,
        anchors=tuple(count_text(texts[file], file, text) for file, text in sorted(set(anchors))),
        scripts={file: ScriptFacts.read(file, texts[file]) for file in scripts},
        files={file: entry for file, entry in files.items() if wanted.lists(file)},
    )


def _parse_entry(entry: str) -> tuple[str, FileFacts]:
    about, _, path = entry.partition("\t")
    mode, _, blob, size = about.split()
    # "-" for a submodule, "BAD" for a content that a partial clone lacks
    return path, FileFacts(mode, int(size) if size.isdecimal() else None, blob)


def count_text(content: str, file: str, text: str) -> Anchor:
    """Count a text in a file.

    Args:
        content: content of the file.
        file: its path.
        text: the text.

    Returns:
        How often it occurs, and in which lines.
    """
    lines, start = [], content.find(text)
    while start >= 0:
        lines.append(content.count("\n", 0, start) + 1)
        start = content.find(text, start + len(text))
    return Anchor(file, text, len(lines), tuple(lines))


if __name__ == "__main__":
    main()
