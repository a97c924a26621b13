"""Shells that run the scripts of hosts, as far as this machine has them."""

from __future__ import annotations

import shutil

#: dash, bash as sh, busybox
POSIX_SHELLS = [
    words for words in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(words[0])
]
