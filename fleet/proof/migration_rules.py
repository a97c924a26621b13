"""What the vendor's migration tool makes of a file, by the rules of its three known generations.

Only files that end in `.py` are rewritten; all others are copied. The tool takes a file line by
line: the first line that is exactly `import torch` is followed by `import torch_mlu`, and words of
the other lines are replaced. The generations differ in these words alone. The rules were measured
with the tools themselves: catch 1.1.2, Cambricon PyTorch 1.17.0 and torch_mlu 1.22.
"""

from __future__ import annotations

import re

#: Suffix of the files that the tool rewrites.
SUFFIX = ".py"
#: What the tool writes at the top of a migrated tree.
REPORT_FILE = "report.md"

#: Pattern -> replacement, applied in this order. The dots are those of regular expressions.
_Rules = tuple[tuple[str, str], ...]
_PLAIN: _Rules = (("cuda", "mlu"), ("nccl", "cncl"))
_BACKENDS: _Rules = (
    ("torch.backends.cudnn.enabled", "torch.backends.mlufusion.enabled"),
    ("torch.backends.cudnn.allow_tf32", "torch.backends.cnnl.allow_tf32"),
    ("ProfilerActivity.CUDA", "ProfilerActivity.MLU"),
)
_TOOLS: _Rules = (
    ("nvtx", "cnpx"),
    ("torch.get_autocast_gpu_dtype", "torch.mlu.get_autocast_dtype"),
    ("torch.set_autocast_gpu_dtype", "torch.mlu.set_autocast_dtype"),
    ("torch.utils.cpp_extension.load", "torch_mlu.utils.cpp_extension.load"),
    ("CUDAGraph", "MLUGraph"),
)
#: Generation of the tool -> its rules.
GENERATIONS: dict[str, _Rules] = {
    "catch 1.1.2": _PLAIN,
    "PyTorch 1.17": _PLAIN + _BACKENDS,
    "torch_mlu 1.22": _PLAIN + _BACKENDS + _TOOLS,
}
#: The line after which the tool imports `torch_mlu`. No rule applies to either, or to a line's end.
_IMPORT = re.compile(r"^[^\S\n]*import torch[^\S\n]*(\n|\Z)", re.MULTILINE)


def migrate_text(text: str, generation: str) -> str:
    """Rewrite the text of a Python file as the tool does.

    Args:
        text: Content of the file.
        generation: One of :data:`GENERATIONS`.

    Returns:
        The text, with the line ends of Unix.
    """
    # as a file that is opened for text: \r\n and \r become \n, and nothing else ends a line
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := _IMPORT.search(text):
        text = text[: found.end()] + found[0].replace("torch", "torch_mlu") + text[found.end() :]
    for pattern, word in GENERATIONS[generation]:
        text = re.sub(pattern, word, text)
    return text


def migrate_content(content: bytes) -> dict[str, bytes]:
    """Rewrite a Python file by the rules of every generation.

    Args:
        content: Content of the file.

    Returns:
        By generation, what the tool makes of it. It is the same of all for nearly every file.

    Raises:
        UnicodeDecodeError: The file is not UTF-8; most generations stop at it.
    """
    text = content.decode()
    return {name: migrate_text(text, name).encode() for name in GENERATIONS}
