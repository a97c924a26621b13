"""Runs of deploy.py by pyinfra, with what `mlufleet` adds: a check before, a report after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from fleet.failures import Exit, InvalidInput


def validated(inventory: str) -> list[tuple[str, str, str]]:
    """(host, release, store) of an inventory, as pyinfra itself will read it.

    :raises InvalidInput: anything that can be known before the first connection is wrong
    """
    from pyinfra.api.state import State
    from pyinfra.context import ctx_state
    from pyinfra_cli.exceptions import CliError, UnexpectedExternalError
    from pyinfra_cli.inventory import make_inventory_from_files

    from fleet import documents, wanted
    from fleet.inventory import HostData

    if not Path(inventory).is_file():
        raise InvalidInput(f"{inventory}: no such inventory file")
    sys.path.insert(0, os.getcwd())
    ctx_state.set(State())  # type: ignore[no-untyped-call]
    try:
        hosts = list(make_inventory_from_files(inventory, cwd=os.getcwd()))
    except InvalidInput:
        raise
    except (CliError, UnexpectedExternalError, OSError) as error:
        raise InvalidInput(f"{inventory}: {error}") from error
    if not hosts:
        raise InvalidInput(f"{inventory}: it has no hosts")
    found = []
    for host in hosts:
        # the rest is pyinfra's, or a site's own
        ours = [n for n in HostData.model_fields if n[:4] != "ssh_" and n not in ("groups", "data")]
        said = {name: host.data.get(name) for name in ours}
        said = {k: str(v) if isinstance(v, Path) else v for k, v in said.items()}
        data = documents.validate(HostData, said, Path(f"{inventory}: {host.name}"))
        if not data.release:
            raise InvalidInput(f"{inventory}: {host.name} has no `release`")
        store = data.store or wanted.STORE
        wanted.load(data.release, store)
        found.append((host.name, data.release, store))
    return found


def run(inventory: str, options: tuple[str, ...], output: IO[bytes] | None = None) -> Any:
    """One run of deploy.py by pyinfra.

    :param output: file for all that pyinfra prints; None: the terminal
    :returns: the run's report; ``exit`` is never 0 where pyinfra's own status is not
    :raises InvalidInput: the input is wrong, or the options leave no host
    """
    names = [name for name, _, _ in validated(inventory)]
    from fleet import report
    from fleet.journal import RUNS

    identity = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    words = [sys.executable, "-m", "pyinfra", inventory, "deploy.py", *options]
    process = subprocess.Popen(words, env={**os.environ, "MLUFLEET_RUN": identity},
                               stdout=output, stderr=output)  # fmt: skip
    # Ctrl-C reaches pyinfra as well; this process stays to read the report it leaves
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = process.wait()
    folder = RUNS / identity
    if not (folder / "journal.jsonl").is_file():
        sys.exit(Exit.INTERNAL if status else Exit.OK)
    result = report.write(folder)
    if not result["hosts"]:
        raise InvalidInput(f"{' '.join(options)}: no host is left of {', '.join(names)}")
    if status and result["exit"] == Exit.OK:
        result["exit"] = Exit.INTERNAL
    return result


def look(inventory: str, options: tuple[str, ...]) -> Any:
    """The report of a run that only looks at the hosts."""
    with tempfile.TemporaryFile() as output:
        try:
            return run(inventory, (*options, "--dry"), output)
        except SystemExit:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise
