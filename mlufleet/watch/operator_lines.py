"""What a watch tells the operator: changes, and on standard error what is wrong with itself."""

from __future__ import annotations

import sys

from fleet.language import _
from fleet.text import sanitize
from fleet.text.times import format_utc
from mlufleet.watch.notices.delivery import Notifier
from mlufleet.watch.notices.messages import describe_change
from mlufleet.watch.problems import SEEN_ONCE, Change
from mlufleet.watch.store import Store


class OperatorLines:
    """Tells each thing once."""

    def __init__(self) -> None:
        self._is_mute, self._store_error, self._aside_count = False, "", 0

    def tell_change(self, change: Change) -> None:
        """Tell a change; a full disk below standard output is no end of the watch.

        Args:
            change: The change.
        """
        try:
            print(format_change(change), flush=True)
        except OSError as error:
            if not self._is_mute:
                warn(
                    _(
                        "changes cannot be printed: {error}; `mlufleet history` has them; "
                        "remedy: free space, and start the watch again",
                        error=error.strerror,
                    )
                )
            self._is_mute = True

    def tell_store(self, store: Store, notifier: Notifier | None) -> None:
        """Tell what is wrong with the history, and that it is right again.

        Args:
            store: The history.
            notifier: Tells others, too; None if nobody is told.
        """
        error = store.error  # threads of notices change it, too
        if error != self._store_error:
            self._store_error = error
            text = error or _("the history is written again")
            warn(text)
            if notifier:
                notifier.announce(text)
        for path in store.moved_aside[self._aside_count :]:
            self._aside_count += 1
            warn(_("the history was damaged; it is kept as {path}, and a new one begun", path=path))


def format_change(change: Change) -> str:
    """Return a change as one line: time, host, what.

    Args:
        change: The change.
    """
    what = change.sentence if change.kind == "health" else describe_change(change)
    time, host = format_utc(change.time), change.host
    if change.kind == SEEN_ONCE:  # "seen" alone is the title of a column of times
        line = _("{time} {host} seen: {what}", time=time, host=host, what=what)
    else:
        kind = _(change.kind)
        line = _("{time} {host} {kind}: {what}", time=time, host=host, kind=kind, what=what)
    return sanitize.escape_line(line)


def warn(text: str) -> None:
    """Tell the operator something that is not of a host.

    Args:
        text: What.
    """
    print(_("watch: {text}", text=sanitize.escape_line(text)), file=sys.stderr, flush=True)
