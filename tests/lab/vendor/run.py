"""Run a tool of the controller."""

import os
import subprocess
from collections.abc import Mapping

from tests.lab.steps import LabError


def run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end.

    Args:
        command: program and arguments.
        environment: variables added to this process's own.

    Returns:
        Its standard output, stripped.

    Raises:
        LabError: it is not installed or failed; the message has the end of what it said.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **(environment or {})}
        )
    except FileNotFoundError as missing:
        raise LabError(f"{command[0]} is not installed: apt-get install {command[0]}") from missing
    if done.returncode:
        said = (done.stdout + done.stderr)[-1500:].strip()
        raise LabError(f"{' '.join(command[:4])} failed ({done.returncode}):\n{said}")
    return done.stdout.strip()
