"""A Python that has imported pip, and becomes a call of it by a fork.

Usage: python -I -S pip_server.py FOLDER, which has pip. It reads a call a line, as JSON, and
answers with a line each.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import sys
import tempfile
import traceback
from typing import Any

#: what the commands of pip import when they are called
MODULES = (
    *("runpy", "pip._internal.cli.main", "pip._internal.commands.install"),
    *("pip._internal.commands.download", "pip._internal.resolution.resolvelib.resolver"),
    *("pip._internal.network.lazy_wheel", "pip._internal.operations.install.wheel"),
    *("pip._internal.metadata.importlib", "pip._vendor.packaging.markers"),
)


def answer_calls(folder: str) -> None:
    """Make each call that is asked for."""
    path = list(sys.path)
    sys.path.insert(0, folder)
    for name in MODULES:
        importlib.import_module(name)
    sys.path[:] = path
    gc.freeze()  # a call that collects garbage would copy all of it
    for line in sys.stdin.buffer:
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            pid = os.fork()
            if not pid:
                make_call(json.loads(line), output.fileno(), errors.fileno())
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            answer = {"status": status}
            for name, file in (("output", output), ("errors", errors)):
                file.seek(0)
                answer[name] = file.read().decode("utf-8", "replace")
        print(json.dumps(answer), flush=True)


def make_call(call: dict[str, Any], output: int, errors: int) -> None:
    """Be `python -I -S -c PROGRAM ARGUMENT …`, and end."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        os.chdir(call["folder"])
        os.environ.clear()
        os.environ.update(call["environment"])
        sys.argv = ["-c", *call["arguments"]]
        exec(call["program"], {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    answer_calls(sys.argv[1])
