"""What gathering consists of: pieces of work, each for one file or folder of the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from fleet.errors import Failure
from fleet.gather.git_mirrors import GitMirror
from fleet.store.download import FIRST_RETRY_DELAY_S
from fleet.store.progress_bar import ProgressBar
from fleet.store.verify import FileProblem

Hub = Literal["huggingface", "modelscope"]
#: of something in the store: "partial" if an earlier run was interrupted
State = Literal["present", "partial", "missing"]
#: folder of the store for partial repositories and other files that a later run continues from
CACHE_FOLDER = ".gather"


@dataclass(frozen=True)
class GatherOptions:
    """Settings of a run.

    Attributes:
        git_mirrors: where repositories are fetched from instead of their own URLs.
        python: version of the image's Python, such as "3.7"; "" finds it out.
        hub: the only model hub to use; None prefers Hugging Face.
        systems: operating systems of the fleet, by their names in files/systems.yml; empty for all.
        retry_delay_s: seconds before the second attempt of a download.
    """

    git_mirrors: tuple[GitMirror, ...] = ()
    python: str = ""
    hub: Hub | None = None
    systems: tuple[str, ...] = ()
    retry_delay_s: float = FIRST_RETRY_DELAY_S


class GatherError(Exception):
    """Something could not be gathered.

    Attributes:
        problems: each file or folder with its failure.
    """

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.name}: {p.failure.sentence}" for p in self.problems))

    @classmethod
    def from_failure(cls, name: str, code: str, detail: str) -> GatherError:
        """Describe one failure.

        Args:
            name: path in the store.
            code: failure code.
            detail: what was found.
        """
        return cls([FileProblem(name, Failure(code, detail))])


@dataclass(frozen=True)
class PlanRow:
    """What would be gathered for one file or folder.

    Attributes:
        name: path in the store.
        origin: where it comes from, without credentials.
        size: bytes to receive; None if that is unknown.
        state: whether it is in the store already.
        notes: what else is to be known.
    """

    name: str
    origin: str
    size: int | None
    state: State
    notes: tuple[str, ...] = ()


class Task(Protocol):
    """A piece of work."""

    @property
    def name(self) -> str:
        """Path in the store."""
        ...

    def list_notes(self) -> list[str]:
        """Tell what the operator is to know after the work."""
        ...

    def plan(self) -> PlanRow:
        """Describe the work; the origin may be asked.

        Raises:
            GatherError: the origin cannot be asked, or does not have it.
        """
        ...

    def gather(self, progress: ProgressBar) -> bool:
        """Do the work, or what is left of it.

        Args:
            progress: shows received bytes.

        Returns:
            Whether anything was added to the store.

        Raises:
            GatherError: at least a part could not be gathered.
        """
        ...


@dataclass
class GatherResults:
    """What a run has done.

    Attributes:
        gathered: what was added to the store.
        present: what was there already.
        problems: what is missing, each with its failure.
        notes: what the operator is to know.
    """

    gathered: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def cache_path(store: Path, name: str) -> Path:
    """Return the path of something that later runs continue from.

    Args:
        store: folder of the store.
        name: its name.
    """
    return store / CACHE_FOLDER / name
