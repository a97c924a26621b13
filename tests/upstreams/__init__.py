"""What upstream repositories hold at the commits that releases pin, one JSON file for each.

The files hold facts, none of upstream's text: paths, modes, sizes and git's ids of the contents,
how often chosen texts occur, and what chosen scripts take, load and print. The command
`python -m tests.upstreams` makes them. Releases and stand-ins are compared with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from tests.upstreams.scripts import ScriptFacts

FOLDER = Path(__file__).parent


class FileFacts(NamedTuple):
    """A file of a commit.

    Attributes:
        mode: git's mode, such as 100644.
        size: in bytes; None for a submodule, and for a content that the clone lacked.
        blob: git's id of the content.
    """

    mode: str
    size: int | None
    blob: str


@dataclass(frozen=True)
class Anchor:
    """How often a text stands in a file.

    Attributes:
        file: the file.
        text: the text.
        count: how often it occurs.
        lines: the line of each occurrence.
    """

    file: str
    text: str
    count: int
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Upstream:
    """The facts of a repository at one commit.

    Attributes:
        url: of the repository.
        commit: the commit; empty if the facts do not come from a clone, which `note` explains.
        tag: the tag that releases name, if they name one.
        note: where the facts come from if not from a clone, and what is missing from them.
        only: patterns of the paths that are listed; all paths without one.
        anchors: how often texts occur.
        scripts: what scripts take, load and print.
        files: the files by their paths.
    """

    url: str
    commit: str
    tag: str = ""
    note: str = ""
    only: tuple[str, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    scripts: dict[str, ScriptFacts] = field(default_factory=dict)
    files: dict[str, FileFacts] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]

    @property
    def is_fork(self) -> bool:
        """Whether the repository cannot be read, and only what tutorials name is known."""
        return not self.commit and not self.tag

    @classmethod
    def load(cls, path: Path) -> Upstream:
        """Load the facts of a repository.

        Args:
            path: the JSON file.

        Returns:
            The facts.
        """
        data = json.loads(path.read_text(encoding="utf-8"))
        anchors = [
            Anchor(**{**anchor, "lines": tuple(anchor["lines"])}) for anchor in data["anchors"]
        ]
        return cls(
            **{name: data[name] for name in ("url", "commit", "tag", "note")},
            only=tuple(data["only"]),
            anchors=tuple(anchors),
            scripts={file: ScriptFacts.load(facts) for file, facts in data["scripts"].items()},
            files={file: FileFacts(*facts) for file, facts in data["files"].items()},
        )

    def format_json(self) -> str:
        """Format the facts, with one file, anchor or script a line.

        Returns:
            The JSON document.
        """
        head = {name: getattr(self, name) for name in ("url", "commit", "tag", "note", "only")}
        lines = [f"{_dump(name)}: {_dump(value)}" for name, value in head.items()]
        anchors = [_dump(asdict(anchor)) for anchor in self.anchors]
        lines.append(f'"anchors": {_join("[", anchors, "]")}')
        scripts = {file: facts.dump() for file, facts in self.scripts.items()}
        for name, table in (("scripts", scripts), ("files", self.files)):
            rows = [f"{_dump(file)}: {_dump(facts)}" for file, facts in sorted(table.items())]
            lines.append(f"{_dump(name)}: {_join('{', rows, '}')}")
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def lists(self, path: str) -> bool:
        """Check whether the facts would list a path if it existed.

        Args:
            path: path in the repository.

        Returns:
            False if it is outside the part of the repository that the facts describe.
        """
        return not self.only or any(PurePosixPath(path).match(pattern) for pattern in self.only)

    def has_folder(self, path: str) -> bool:
        """Check whether a path is a folder of the repository.

        Args:
            path: path in the repository; empty for its root.

        Returns:
            Whether a file lies below it.
        """
        return not path or any(file.startswith(f"{path}/") for file in self.files)

    def count(self, file: str, text: str) -> int | None:
        """Tell how often a text occurs in a file.

        Args:
            file: the file.
            text: the text.

        Returns:
            The number; None if the facts do not say.
        """
        known = {(anchor.file, anchor.text): anchor.count for anchor in self.anchors}
        return known.get((file, text))


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _join(begin: str, rows: list[str], end: str) -> str:
    return begin + "".join(f"\n{row}," for row in rows).rstrip(",") + ("\n" if rows else "") + end


def load_all() -> tuple[Upstream, ...]:
    """Load the facts of all repositories.

    Returns:
        The facts of each, those of unreadable forks last.
    """
    return (*map(Upstream.load, sorted(FOLDER.glob("*.json"))), *_load_forks())


def _load_forks() -> Iterator[Upstream]:
    unknown = FileFacts("100644", None, "")
    for fork in yaml.safe_load((FOLDER / "forks.yml").read_text(encoding="utf-8")):
        yield Upstream(fork["url"], "", files=dict.fromkeys(fork["files"], unknown))
