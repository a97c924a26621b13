"""The computation on each card, with the framework that the image has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from operations.host.scripts import SCRIPTS_DIR
from tests.waiting import PATIENCE_S

#: what the script calls of each framework, as its documentation has it; CARDS is how many there are
TORCH = {
    "torch.py": """
        __version__ = "1.9.0"
        class Matrix:
            def __init__(self, size, place): self.size, self.place = size, place
            def to(self, place): return Matrix(self.size, place)
            def __matmul__(self, other): return self
            def sum(self): return self.size ** 3 - (self.place == WRONG)
        def ones(rows, columns): return Matrix(rows, "cpu")
        class mlu:
            is_available = staticmethod(lambda: CARDS > 0)
            device_count = staticmethod(lambda: CARDS)
    """,
    "torch_mlu.py": "",
}
PADDLE = {
    "paddle_custom_device.py": "",
    "paddle.py": """
        __version__ = "3.3.0"
        now = ["cpu"]
        class Matrix:
            def __init__(self, size): self.size = size
            def __matmul__(self, other): return self
            def sum(self): return self.size ** 3 - (now[0] == WRONG)
        def ones(shape): return Matrix(shape[0])
        class device:
            # one card has no number, and without a plugin there is None
            get_available_custom_device = staticmethod(lambda:
                [f"mlu:{n}" for n in range(CARDS)] if CARDS > 1 else ["mlu"] * CARDS or None)
            set_device = staticmethod(lambda place: now.__setitem__(0, place))
    """,
}
MAGICMIND = {
    "numpy.py": """
        float32 = "float32"
        class Array(list):
            def sum(self): return float(sum(map(sum, self)))
        def array(values, dtype): return values
        def tile(row, times): return Array([row] * times[0])
    """,
    "magicmind/__init__.py": "",
    "magicmind/python/__init__.py": "",
    "magicmind/python/runtime.py": """
        import numpy
        class Status:
            def __init__(self, good=True): self.good = good
            def ok(self): return self.good
        class DataType: FLOAT32 = 1
        class IActivation: RELU = 1
        def Dims(shape): return shape
        class Network:
            def add_input(self, kind, shape): return self
            def add_i_activation_node(self, tensor, kind): return self
            def get_output(self, number): return self
            def mark_output(self, tensor): return Status()
        class BuilderConfig: pass
        class Builder:
            def build_model(self, name, network, config): return Model()
        class Queue:
            def sync(self): return Status()
        class Device:
            id = 0
            def active(self): return Status(self.id < CARDS)
            def create_queue(self): return Queue()
        class Tensor:
            def from_numpy(self, values): self.values = values
            def to(self, device): self.device = device.id
            def asnumpy(self): return self.values
        class Model:
            class EngineConfig: pass
            def create_i_engine(self, config): return self
            def create_i_context(self): return self
            def create_inputs(self): return [Tensor()]
            def enqueue(self, inputs, outputs, queue):
                result = Tensor()
                wrong = f"mlu:{inputs[0].device}" == WRONG
                result.from_numpy(numpy.Array(
                    [max(0, x) - wrong for x in row] for row in inputs[0].values))
                outputs.append(result)
                return Status()
    """,
}
FRAMEWORKS = {"torch 1.9.0": TORCH, "paddle 3.3.0": PADDLE, "magicmind": MAGICMIND}


def check(
    folder: Path, framework: dict[str, str], cards: int, expected: int, wrong: str = ""
) -> subprocess.CompletedProcess[str]:
    for name, text in framework.items():
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        body = "\n".join(line[indent:] for line in lines)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"CARDS, WRONG = {cards}, {wrong!r}\n{body}\n")
    return subprocess.run(
        [sys.executable, "-S", str(SCRIPTS_DIR / "devices.py"), str(expected)],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("cards", [1, 3])
def test_every_card_computes_with_the_framework_of_the_image(
    tmp_path: Path, name: str, cards: int
) -> None:
    done = check(tmp_path, FRAMEWORKS[name], cards, cards)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{name} computes on {cards} of {cards} cards\n"


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_card_that_is_missing_or_computes_wrong_is_found(tmp_path: Path, name: str) -> None:
    done = check(tmp_path, FRAMEWORKS[name], 1, 2)
    assert done.returncode == 1 and done.stdout == f"{name} computes on 1 of 2 cards\n"
    done = check(tmp_path, FRAMEWORKS[name], 2, 2, "mlu:1")
    assert done.returncode == 1 and "card 1 computes" in done.stderr
    assert check(tmp_path, FRAMEWORKS[name], 0, 1).returncode == 1


def test_an_image_without_a_framework_is_told_what_is_needed(tmp_path: Path) -> None:
    done = check(tmp_path, {}, 1, 1)
    assert done.returncode == 1
    assert "has none of torch_mlu, paddle_custom_device, magicmind" in done.stderr
