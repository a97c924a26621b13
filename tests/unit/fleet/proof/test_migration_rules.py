"""The rules of the migration tool, as they were measured with the tool itself."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.proof.migration_rules import GENERATIONS, migrate_content, migrate_text
from tests.lab.vendor import upstreams

MODELING_UTILS = "src/transformers/modeling_utils.py"
ORIGINAL = "b150888d6d2b8b929be269cbe479f63e70350f9e35198766f9fedcdc19ce240c"
MIGRATED = "eafcffdc53406d3d734f24c1e9bce15413c074a6956e9ad40ffccf74e5019d48"


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("text", "migrated"),
    [
        ("import torch\n", "import torch\nimport torch_mlu\n"),
        ("  import torch\n", "  import torch\n  import torch_mlu\n"),
        ("import torch\nimport torch\n", "import torch\nimport torch_mlu\nimport torch\n"),
        ("import torch", "import torchimport torch_mlu"),
        ("import torch, os\n", "import torch, os\n"),
        ("from torch import nn\n", "from torch import nn\n"),
        ("x.cuda('nccl')  # CUDA\n", "x.mlu('cncl')  # CUDA\n"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("one\x0cline cuda\u2028too\n", "one\x0cline mlu\u2028too\n"),
        ("", ""),
    ],
)
def test_all_generations(generation: str, text: str, migrated: str) -> None:
    assert migrate_text(text, generation) == migrated


CUDNN, FUSED = "torch.backends.cudnn.enabled", "torch.backends.mlufusion.enabled"
TF32, MLU_TF32 = "torch.backends.cuda.matmul.allow_tf32", "torch.backends.mlu.matmul.allow_tf32"
DTYPE, MLU_DTYPE = "torch.get_autocast_gpu_dtype()", "torch.mlu.get_autocast_dtype()"
LOAD, MLU_LOAD = (
    "torch.utils.cpp_extension.load_inline",
    "torch_mlu.utils.cpp_extension.load_inline",
)


@pytest.mark.parametrize(
    ("text", "migrated"),
    [
        (CUDNN, (CUDNN, FUSED, FUSED)),
        ("ProfilerActivity.CUDA", ("ProfilerActivity.CUDA", *["ProfilerActivity.MLU"] * 2)),
        (TF32, (MLU_TF32, MLU_TF32, MLU_TF32)),
        ("nvtx CUDAGraph", ("nvtx CUDAGraph", "nvtx CUDAGraph", "cnpx MLUGraph")),
        (DTYPE, (DTYPE, DTYPE, MLU_DTYPE)),
        (LOAD, (LOAD, LOAD, MLU_LOAD)),
    ],
)
def test_what_generations_differ_in(text: str, migrated: tuple[str, ...]) -> None:
    assert tuple(migrate_text(text, name) for name in GENERATIONS) == migrated


def test_the_real_file_becomes_what_the_real_tools_made_of_it() -> None:
    path: Path = upstreams.SOURCE / MODELING_UTILS
    if not path.exists():
        pytest.skip("the source of transformers is not there: python -m tests.lab.artifacts")
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == ORIGINAL
    versions = migrate_content(content)
    assert {hashlib.sha256(one).hexdigest() for one in versions.values()} == {MIGRATED}


def test_a_file_that_is_not_utf8_cannot_be_migrated() -> None:
    with pytest.raises(UnicodeDecodeError):
        migrate_content(b"# \xff\n")


def migrate_by_line(text: str, generation: str) -> str:
    """What the tool does, line by line as it does it."""
    lines, has_import = [], False
    for line in io.StringIO(text, newline=None):
        if line.strip() == "import torch" and not has_import:
            has_import = True
            lines += [line, line.replace("torch", "torch_mlu")]
            continue
        for pattern, word in GENERATIONS[generation]:
            line = re.sub(pattern, word, line)
        lines.append(line)
    return "".join(lines)


PIECES = [
    *(
        "import torch",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\x0c",
        "\x1c",
        "\u2028",
        "#",
        ".x",
        "cu",
        "da",
    ),
    *("nccl", "torch", "CUDAGraph", "torch.backends.cudnn", "enabled", "nvtx", "torch_backends"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(sorted(GENERATIONS)))
def test_a_text_as_a_whole_becomes_what_its_lines_become(pieces: list[str], name: str) -> None:
    text = "".join(pieces)
    assert migrate_text(text, name) == migrate_by_line(text, name)
