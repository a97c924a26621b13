"""The user of the watch's unit: who called sudo, as that person's keys and files are needed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def find_sudo_user() -> pwd.struct_passwd | None:
    """Return who called sudo to become root; None if nobody did, or root itself."""
    name = os.environ.get("SUDO_USER", "")
    if os.geteuid() != 0 or name in ("", "root"):
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def find_cache_folder(user: pwd.struct_passwd) -> Path:
    """Return where a service of a user keeps checksums: it does not have sudo's environment.

    Args:
        user: The user.
    """
    return Path(user.pw_dir) / ".cache" / "mlufleet"


def process_settings(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return what `subprocess.run` needs to start a program as a user.

    Args:
        user: The user; None for that of this process.
    """
    if user is None:
        return {}
    return {
        "user": user.pw_uid,
        "group": user.pw_gid,
        "extra_groups": os.getgrouplist(user.pw_name, user.pw_gid),
        "env": {
            **{key: value for key, value in os.environ.items() if not key.startswith("SUDO_")},
            "HOME": user.pw_dir,
            "USER": user.pw_name,
            "LOGNAME": user.pw_name,
        },
    }


@contextmanager
def acting_as(user: pwd.struct_passwd | None) -> Iterator[None]:
    """Make files as a user, so that they are that user's.

    Args:
        user: The user; None for that of this process.
    """
    if user is None:
        yield
        return
    uid, gid = os.geteuid(), os.getegid()
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)
