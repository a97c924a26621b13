"""Stand-in for the vendor's migration tool: the same interface, results and faults.

Every fault here was measured on the real tool, and is kept because operators meet it: the exit
status is 0 for a tree that is not there, an older output is written over in place, and a report
exists long before the work is complete.
"""

import argparse
import functools
import os
import shutil
from collections.abc import Callable, Iterator

import torch  # noqa: F401  # the real tool imports both and uses neither, so it only runs where
import torch_mlu  # noqa: F401  # a model would

TITLE = "# Cambricon PyTorch Model Migration Report"
HEADER = f"{TITLE}\n| No. | File | Description |\n| --- | --- | --- |\n"
RULES = (("cuda", "mlu"), ("nccl", "cncl"))
STRICT_RULES = (*RULES, ("CUDA", "MLU"), ("gpu", "mlu"), ("GPU", "MLU"))
Rules = tuple[tuple[str, str], ...]
Note = Callable[[str, int, str], None]


def convert(source: str, target: str, rules: Rules, note: Callable[[int, str], None]) -> None:
    """Write the converted text of one Python file; mode and CRLF of the original are lost.

    Args:
        source: path of the original.
        target: path to write.
        rules: plain substrings and what replaces each, in this order.
        note: is told the line of the result and what was done there.

    Raises:
        OSError: the original cannot be opened for writing, although it is only read.
        UnicodeDecodeError: it is not UTF-8; an empty or short target stays behind.
    """
    imported, number = False, 0
    with open(source, "r+", encoding="utf-8") as old, open(target, "w", encoding="utf-8") as new:
        for line in old:
            number += 1
            changed = line
            for word, substitute in rules:
                changed = changed.replace(word, substitute)
            new.write(changed)
            if changed != line:
                note(number, f'change "{line.strip()}" to "{changed.strip()} "')
            # only this exact line counts: "import torch, os" and "import torch.nn" do not
            if not imported and line.strip() == "import torch":
                imported, number = True, number + 1
                new.write(line.rstrip().replace("torch", "torch_mlu") + "\n")
                note(number, 'add "import torch_mlu"')


def files(tree: str) -> Iterator[str]:
    """Paths of all files relative to the tree; links to directories and empty ones drop out."""
    for directory, _, names in os.walk(tree):
        for name in names:
            yield os.path.relpath(os.path.join(directory, name), tree)


def migrate(tree: str, output: str, rules: Rules, note: Note) -> None:
    """Convert the Python files of a tree and copy all others, over whatever the output has.

    Args:
        tree: path of the original; nothing happens when it is not a directory.
        output: path of the result.
        rules: plain substrings and what replaces each.
        note: is told the file, the line and what was done.

    Raises:
        OSError, UnicodeDecodeError: a Python file cannot be converted; the rest is left undone.
    """
    for name in files(tree):
        source, target = os.path.join(tree, name), os.path.join(output, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if name.endswith(".py"):
            convert(source, target, rules, functools.partial(note, name))
        elif name != "report.md":
            try:
                shutil.copy(source, target)
            except OSError:
                print("copy error: ", source)


def main() -> None:
    """Migrate the tree that the command line names, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", "-i", required=True, help="path of the PyTorch model scripts")
    parser.add_argument("--strict", "-s", action="store_true", help="replace more names")
    given = parser.parse_args()
    tree = os.path.abspath(given.input)
    output = f"{tree}_mlu"
    os.makedirs(output, exist_ok=True)
    report = os.path.join(output, "report.md")
    with open(report, "w", encoding="utf-8") as rows:
        rows.write(HEADER)
        count = 0

        def note(name: str, line: int, what: str) -> None:
            nonlocal count
            count += 1
            rows.write(f"| {count} | {name}:{line} | {what} |\n")

        migrate(tree, output, STRICT_RULES if given.strict else RULES, note)
    print(TITLE)
    print("Official PyTorch model scripts: ", tree)
    print("Cambricon PyTorch model scripts: ", output)
    print("Migration Report: ", report)


if __name__ == "__main__":
    main()
