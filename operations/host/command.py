"""The base class of everything that a run does to one host."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, final

from paramiko import SSHException
from pyinfra.api import Host
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.state import State
from typing_extensions import override

from fleet.errors import Failure
from fleet.release.target import ReleaseTarget
from operations.host import connection
from operations.host.context import run_context
from operations.host.failures import fail_host, resume_connection
from operations.host.probe import unwrap_host
from operations.host.sessions import NoSessionError

#: how often a command is tried whose connection is lost each time
MAX_ATTEMPTS = 3


class HostCommand(PyinfraCommand):
    """One step on one host. Whatever goes wrong in it fails that host and no other.

    Subclasses implement :meth:`run`. pyinfra would end the whole run at an exception, so
    :meth:`execute` turns each one into a failure of the host, with a code and a remedy.

    A command whose connection is lost runs again once the connection is back. It must therefore be
    safe to repeat: it looks first at what is there, or resumes a job of the host. A probe that
    fails in the middle of a command is the command's failure: none continues without facts.

    Attributes:
        title: what is done, for the operator and the host's audit log
        stage: label of the stage that the command belongs to
        target: the release that it works for, if it is for a single one
    """

    #: whether the command also runs after a request to stop
    runs_while_stopping: ClassVar[bool] = False

    def __init__(self, title: str = "", stage: str = "") -> None:
        super().__init__()
        self.title, self.stage = title, stage
        self.target: ReleaseTarget | None = None

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary})"

    @property
    def summary(self) -> str:
        """What the command does, in a few words, for pyinfra's log."""
        return self.title

    def assign(self, stage: str, target: ReleaseTarget) -> None:
        """Make the command part of a stage.

        Args:
            stage: label of the stage, which failures and events carry
            target: the release that the stage works for
        """
        self.stage, self.target = stage, target

    @abstractmethod
    def run(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        """Do the work.

        Args:
            host: the host itself, not pyinfra's proxy of the current one, which greenlets that the
                command starts could not use
            arguments: pyinfra's connector arguments, for :func:`connection.run_command`

        Returns:
            Why it failed; None if it succeeded.
        """

    @final
    @override
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        """Run the command for pyinfra, and report its failure.

        Args:
            state: pyinfra's state
            host: the host, or pyinfra's proxy of it
            connector_arguments: how commands are run on the host

        Returns:
            Whether it succeeded.
        """
        host = unwrap_host(host)
        failure = self._run_isolated(host, connector_arguments)
        return failure is None or fail_host(host, failure, self.stage)

    def _run_isolated(self, host: Host, arguments: dict[str, Any]) -> Failure | None:
        stop = run_context(host).stop
        if stop.requested and not self.runs_while_stopping:
            return Failure("INTERRUPTED", stop.reason)
        reason = ""
        for _ in range(MAX_ATTEMPTS):
            try:
                return self.run(host, arguments)
            except NoSessionError as error:
                return Failure("MAX_SESSIONS", str(error))
            except (OSError, EOFError, SSHException) as error:
                reason = f"{self!r}: {error}"
                if not connection.wait_until_lost(host) or not resume_connection(host):
                    break
            except Exception as error:
                return Failure("INTERNAL", f"{self!r}: {type(error).__name__}: {error}")
        return Failure("CONNECTION_LOST", reason)
