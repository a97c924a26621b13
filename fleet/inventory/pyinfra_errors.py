"""Invalid input in code that pyinfra runs, reported without a traceback.

pyinfra prints a traceback for every error in an inventory or deploy.py that is not one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyinfra.api.exceptions import PyinfraError

from fleet.errors import InvalidInput


class InputError(InvalidInput, PyinfraError):
    """Invalid input that pyinfra reports by its message alone."""


@contextmanager
def as_pyinfra_error() -> Iterator[None]:
    """Turn InvalidInput into an error of pyinfra; used as a context manager or decorator.

    Raises:
        InputError: the input is invalid.
    """
    try:
        yield
    except InvalidInput as error:
        # the traceback is kept, because pyinfra prints the place of the error
        raise InputError(*error.args).with_traceback(error.__traceback__) from None
