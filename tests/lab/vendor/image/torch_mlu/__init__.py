"""Stand-in for the vendor's PyTorch plug-in: devices are counted for real, the CPU computes.

A device named mlu becomes the CPU after a check that such a card is there; tensors therefore say
that they are on the CPU. The CPU has no matrix product in half precision, so what a card would
keep in half is kept in single.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch

from torch_mlu import amp, mlu

__version__ = "1.13.0-torch1.9"

FACTORIES = [
    *("arange", "as_tensor", "empty", "empty_like", "eye", "full", "full_like", "linspace"),
    *("ones", "ones_like", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like"),
    *("tensor", "zeros", "zeros_like"),
]
#: what this PyTorch has, and the one that an image of PyTorch 1.9 names has not
SINCE_1_10 = ((torch, "concat"), (torch.nn.utils, "skip_init"))
Device = torch.device


class _Kind(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Device)


class device(metaclass=_Kind):
    """torch.device, which cannot be subclassed, taught the name mlu."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        if arguments and arguments[0] == "mlu" and len(arguments) == 2:
            return Device(mlu.resolve(f"mlu:{arguments[1]}"))
        return Device(*map(mlu.resolve, arguments), **{k: mlu.resolve(v) for k, v in named.items()})


def _resolving(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes its device, wherever it is among the arguments, as the CPU."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if "device" in named:
            named["device"] = mlu.resolve(named["device"])
        return function(*arguments, **named)

    return call


def _moving(move: Callable[..., Any]) -> Callable[..., Any]:
    """The method `to` of a tensor or module, in single precision where it moves to a card."""

    @functools.wraps(move)
    def to(self: Any, *arguments: Any, **named: Any) -> Any:
        meant = [*arguments, *named.values()]
        moved = move(
            self,
            *map(mlu.resolve, arguments),
            **{name: mlu.resolve(value) for name, value in named.items()},
        )
        if not any(mlu.named(value) for value in meant):
            return moved
        if isinstance(moved, torch.nn.Module):
            return moved.float()
        return moved.float() if moved.dtype == torch.float16 else moved

    return to


def _mlu(self: Any, index: int | None = None, **named: Any) -> Any:
    return self.to("mlu" if index is None else f"mlu:{index}", **named)


def _remove_later_functions() -> None:
    """Let code fail that needs a newer PyTorch than that of the image."""
    if __version__.endswith("-torch1.9"):
        for module, name in SINCE_1_10:
            delattr(module, name)


def _install() -> None:
    torch.device = device  # type: ignore[misc, assignment]
    torch.mlu = sys.modules["torch.mlu"] = mlu  # type: ignore[attr-defined]
    sys.modules["torch.mlu.amp"] = amp
    torch.version.mlu = __version__  # type: ignore[attr-defined]
    for name in FACTORIES:
        setattr(torch, name, _resolving(getattr(torch, name)))
    for kind in (torch.Tensor, torch.nn.Module):
        kind.to = _moving(kind.to)  # type: ignore[method-assign]
        kind.mlu = _mlu  # type: ignore[attr-defined]
    torch.Tensor.is_mlu = property(lambda self: False)  # type: ignore[attr-defined]
    load = torch.load
    torch.load = lambda file, map_location=None, *rest, **named: load(
        file, mlu.resolve(map_location), *rest, **named
    )


_install()
_remove_later_functions()
