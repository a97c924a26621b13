"""Remove credentials from URLs before they are logged or shown."""

from __future__ import annotations

import re

#: User and password, or a token, before the host.
USERINFO_PATTERN = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@'\"]+@")
#: The whole query, because signed links carry their signature there.
QUERY_PATTERN = re.compile(r"(\bhttps?://[^\s?'\"]+\?)[^\s'\"]+")


def hide_credentials(text: str) -> str:
    """Replace the credentials of all URLs in a text by an ellipsis.

    Args:
        text: Any text.

    Returns:
        The text without user names, passwords, tokens and queries.
    """
    return QUERY_PATTERN.sub(r"\1…", USERINFO_PATTERN.sub(r"\1…@", text))
