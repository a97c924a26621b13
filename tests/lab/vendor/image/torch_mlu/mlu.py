"""The module torch.mlu: the cards that this process may use."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import torch

from torch_mlu import amp  # noqa: F401  # torch.mlu.amp

MEMORY = 23 << 30  # bytes of one MLU370 chip that a process can have
_NAME = re.compile(r"mlu(?::(\d+))?")
_current = 0


def _opens(node: Path) -> bool:
    """Whether a device node is one, and the container's own rules let this process use it."""
    try:
        descriptor = os.open(node, os.O_RDWR)
    except OSError:
        return False
    try:
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def device_count() -> int:
    """How many cards there are for this process, after MLU_VISIBLE_DEVICES."""
    dev = Path("/dev")
    if not _opens(dev / "cambricon_ctl"):
        return 0
    found = {node.name[13:] for node in dev.glob("cambricon_dev[0-9]*") if _opens(node)}
    chosen = os.environ.get("MLU_VISIBLE_DEVICES")
    if chosen is None:
        return len(found)
    count = 0
    for index in chosen.split(","):
        if index.strip() not in found:
            break  # as with CUDA: what follows an invalid index is invisible too
        count += 1
    return count


def is_available() -> bool:
    """Whether there is a card."""
    return device_count() > 0


def current_device() -> int:
    """Index of the card that "mlu" without a number means."""
    return _current


def set_device(device: Any) -> None:
    """Choose what "mlu" without a number means.

    Args:
        device: an index, or a name like mlu:1.

    Raises:
        RuntimeError: there is no such card.
    """
    global _current
    index = device if isinstance(device, int) else int(str(device).partition(":")[2] or 0)
    resolve(f"mlu:{index}")
    _current = index


def named(value: Any) -> bool:
    """Whether a value is the name of a card."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def resolve(value: Any) -> Any:
    """Turn the name of a card into the device that computes for it.

    Args:
        value: any argument of a torch function.

    Returns:
        "cpu" for the name of a card, every other value as it is.

    Raises:
        RuntimeError: the name of a card that is not there.
    """
    match = _NAME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    count = device_count()
    if count == 0:
        raise RuntimeError("CNRT error: no device.")
    if int(match[1] or _current) >= count:
        raise RuntimeError("CNRT error: invalid device.")
    return "cpu"


def get_device_name(device: Any = None) -> str:
    """Name of a card."""
    return "MLU370"


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total memory of a card in bytes."""
    return MEMORY, MEMORY


def memory_allocated(device: Any = None) -> int:
    """Bytes in use by this process: none, the CPU's memory is used."""
    return 0


def synchronize(device: Any = None) -> None:
    """Wait for a card: the CPU is never behind."""


def empty_cache() -> None:
    """Give cached memory back: there is no cache."""


def manual_seed(seed: int) -> None:
    """Seed the generator of the current card."""
    torch.manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all cards."""
    torch.manual_seed(seed)
