"""The limits of this machine's kernel that its hosts share: raised where they are too low."""

from pathlib import Path

from tests.lab.steps import LabError

INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
# systemd and the engine of one host hold 8; one host too many, and its systemd dies at boot
EACH, OTHERS = 16, 128


def allow(count: int) -> None:
    """Let this machine carry so many hosts; the setting lasts until it reboots.

    Args:
        count: of hosts.

    Raises:
        LabError: the limit is too low and cannot be raised.
    """
    needed = count * EACH + OTHERS
    if int(INSTANCES.read_text()) >= needed:
        return
    try:
        INSTANCES.write_text(f"{needed}\n")
    except OSError as error:
        raise LabError(
            f"{count} hosts need fs.inotify.max_user_instances={needed}, set it by sysctl: {error}"
        ) from error
