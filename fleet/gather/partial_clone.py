"""A bare repository that is fetched in steps, so that a fetch that was interrupted continues.

Git drops what it has received when a connection breaks. Histories are therefore fetched from their
end to their beginning: each step is kept, and the last one makes the repository complete.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.store import git_repositories
from fleet.store.git_repositories import GitError
from fleet.text.redact import hide_credentials

#: commits of the first step, and of the next ones; the last step fetches the rest
FIRST_DEPTH, DEEPEN_STEPS = 100, (2000, 20000)
#: consecutive attempts of one step
MAX_ATTEMPTS = 3
#: git gives up when fewer bytes a second arrive for so long
MIN_BYTES_PER_S, STALL_TIMEOUT_S = 1000, 60
#: what git prints when a connection breaks; another attempt may succeed
INTERRUPTED = re.compile(
    r"early EOF|RPC failed|hung up|unexpected disconnect|timed out|Operation too slow|"
    r"transfer closed|connection reset|HTTP 5\d\d|error: 5\d\d|protocol error|bad pack|"
    r"expected .* bytes|index-pack failed|response end packet",
    re.IGNORECASE,
)
NO_SHALLOW = re.compile(r"does not support (--)?shallow|shallow .*not support", re.IGNORECASE)
PROGRESS_LINE = re.compile(r"(?:remote: )?([A-Z][a-z]+ [a-z]+): +\d+% .*")
TAIL_LINES = 6


class PartialClone:
    """A repository that is being fetched.

    Args:
        path: the bare repository; it is created.
        url: where it is fetched from.
        describe: called with a line about the progress.
        retry_delay_s: seconds before the second attempt of a step; doubled before each further one.
    """

    def __init__(
        self, path: Path, url: str, describe: Callable[[str], object], retry_delay_s: float
    ) -> None:
        self.path, self._url, self._describe = path, url, describe
        self._retry_delay_s = retry_delay_s

    def create(self) -> None:
        """Create an empty repository if there is none."""
        if not (self.path / "HEAD").is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            git_repositories.run_git("init", "--quiet", "--bare", "--", str(self.path))

    @property
    def is_shallow(self) -> bool:
        """Whether the beginnings of histories are still missing."""
        return (self.path / "shallow").is_file()

    def run(self, *arguments: str) -> str:
        """Run git in the repository, without network.

        Args:
            *arguments: arguments of git.

        Returns:
            Its output.

        Raises:
            GitError: it failed.
        """
        return git_repositories.run_git("--git-dir", str(self.path), *arguments)

    def find_commit(self, revision: str) -> str | None:
        """Find a commit whose whole history is here.

        Args:
            revision: a ref or an object.

        Returns:
            The full commit; None if it is not here.
        """
        try:
            commit = self.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except GitError:
            return None
        return None if self.is_shallow else commit

    def fetch(self, *refspecs: str) -> None:
        """Fetch refs with their whole history, in steps.

        Args:
            *refspecs: what to fetch.

        Raises:
            GitError: the origin cannot be reached, or does not have it.
        """
        if self.is_shallow or not self.run("for-each-ref", "--count=1"):
            try:
                self._fetch_steps(refspecs)
                return
            except GitError as error:
                if not NO_SHALLOW.search(error.output):
                    raise
        self._fetch_step(refspecs)

    def _fetch_steps(self, refspecs: tuple[str, ...]) -> None:
        if not self.is_shallow:
            self._fetch_step(refspecs, f"--depth={FIRST_DEPTH}")
        for count in DEEPEN_STEPS:
            if self.is_shallow:
                self._fetch_step(refspecs, f"--deepen={count}")
        if self.is_shallow:
            self._fetch_step(refspecs, "--unshallow")

    def _fetch_step(self, refspecs: tuple[str, ...], *options: str) -> None:
        """Fetch, in as many attempts as interruptions allow."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._run_fetch(refspecs, options)
                return
            except GitError as error:
                if attempt == MAX_ATTEMPTS or not INTERRUPTED.search(error.output):
                    raise
            time.sleep(self._retry_delay_s * 2 ** (attempt - 1))

    def _run_fetch(self, refspecs: tuple[str, ...], options: tuple[str, ...]) -> None:
        words = ["-c", f"http.lowSpeedLimit={MIN_BYTES_PER_S}"]
        words += ["-c", f"http.lowSpeedTime={STALL_TIMEOUT_S}", "-c", "gc.auto=0"]
        words += ["--git-dir", str(self.path), "fetch", "--progress", "--no-tags", "--force"]
        words += ["--no-recurse-submodules", *options, "--", self._url, *refspecs]
        environment = git_repositories.build_environment(isolated=False)
        tail: list[str] = []
        try:
            process = subprocess.Popen(
                ["git", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except FileNotFoundError as error:
            raise InvalidInput(_(git_repositories.NO_GIT)) from error
        try:
            for line in process.stderr or ():
                if PROGRESS_LINE.match(line):
                    self._describe(line.strip())
                elif line.strip():
                    tail = [*tail, line.strip()][-TAIL_LINES:]
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stderr:
                process.stderr.close()
        if status:
            output = hide_credentials(" ".join(tail)) or _("exit status {status}", status=status)
            raise GitError(f"fetch {hide_credentials(self._url)}", output)
