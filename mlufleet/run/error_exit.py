"""How a process of `mlufleet` ends on invalid input and on errors of the file system."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from fleet.errors import ExitStatus, InvalidInput
from fleet.language import _


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Report invalid input and I/O errors in one line, without traceback, and exit.

    Raises:
        SystemExit: There was such an error.
    """
    try:
        yield
    except InvalidInput as error:
        _print_error(error)
        sys.exit(ExitStatus.INVALID)
    except OSError as error:  # for example a full disk or a deleted directory
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        _print_error(error)
        sys.exit(ExitStatus.INTERNAL)


def _print_error(error: Exception) -> None:
    click.secho(_("error: {error}", error=error), fg="red", err=True)
