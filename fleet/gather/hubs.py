"""Model hubs: what a model consists of there, and how its files are downloaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from fleet.gather.model_files import ModelFile
from fleet.language import _
from fleet.store import http
from fleet.store.download import MAX_ATTEMPTS

Answer = TypeVar("Answer")


class HubError(Exception):
    """A hub does not show a model.

    Attributes:
        code: failure code.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


@dataclass(frozen=True)
class HubModel:
    """A model at one revision.

    Attributes:
        page: its address, for people.
        revision: what was asked for; "" for the newest.
        commit: the commit that this is; "" if the hub does not tell.
        files: all of its files.
        file_url: returns the address of a file.
        private_headers: headers with a login, for the hub only.
    """

    page: str
    revision: str
    commit: str
    files: tuple[ModelFile, ...]
    file_url: Callable[[str], str]
    private_headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class FindModel(Protocol):
    """Asks a hub for a model."""

    def __call__(self, name: str, revision: str) -> HubModel:
        """Ask.

        Args:
            name: OWNER/NAME.
            revision: commit, tag or branch; "" for the newest.

        Returns:
            The model.

        Raises:
            HubError: there is no such model, or it is not shown.
            TransientError: the hub could not be asked; another attempt may succeed.
        """
        ...


def ask_patiently(ask: Callable[[], Answer], retry_delay_s: float) -> Answer:
    """Ask a hub in several attempts.

    Args:
        ask: asks once.
        retry_delay_s: seconds before the second attempt; doubled before each further one.

    Returns:
        The answer.

    Raises:
        HubError: no attempt was answered, or the answer is an error.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return ask()
        except http.TransientError as error:
            if attempt == MAX_ATTEMPTS:
                raise HubError(
                    "FETCH", _("{error} ({count} attempts)", error=error, count=MAX_ATTEMPTS)
                ) from error
        time.sleep(retry_delay_s * 2 ** (attempt - 1))
    raise AssertionError("the last attempt returns or raises")
