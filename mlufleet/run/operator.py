"""Who gives a command, and what of it others may read."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import socket
from collections.abc import Iterable

from fleet.text import sanitize

#: words in the names of options and data that are a secret's
SECRET_WORDS = re.compile("password|secret|token|passphrase", re.IGNORECASE)


def operator_name() -> str:
    """user@machine, as hosts know a lock's holder; a container may have no such user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = f"uid{os.getuid()}"
    return re.sub(r"[^\w.@+-]", "_", f"{user}@{socket.gethostname()}")


def redact_command(words: Iterable[str]) -> str:
    """Return a command as it is written into locks and journals, which other users can read.

    Secrets are hidden; the result is one line and contains no tabs.

    Args:
        words: The command and its arguments.
    """
    shown, hide = [], False
    for word in words:
        found = SECRET_WORDS.search(word)
        equals = word.find("=", found.end()) + 1 if found else 0
        shown.append("***" if hide else f"{word[:equals]}***" if equals else word)
        hide = bool(found) and not hide and not equals and word.startswith("--")
    return " ".join(sanitize.escape_line(shlex.join(shown)).split())
