"""Wrong input, where pyinfra reads an inventory or deploy.py: it adds a traceback to all errors
that are not its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyinfra.api.exceptions import PyinfraError

from fleet.errors import InvalidInput


class InputError(InvalidInput, PyinfraError):
    """As one of pyinfra's own: told by its message alone."""


@contextmanager
def as_pyinfra_error() -> Iterator[None]:
    """:raises Plain: whatever input is wrong"""
    try:
        yield
    except InvalidInput as error:
        # pyinfra names the place where it was found
        raise InputError(*error.args).with_traceback(error.__traceback__) from None
