"""Takes out of the image what PyTorch is linked to and never calls where a model answers.

Debian links it to OpenCV, FFmpeg and databases, for Caffe2's readers of pictures: with what those
need, 226 of its 285 libraries. Each gives way to a library of its name that has the symbols by
which PyTorch is bound, and nothing behind them: a call would end the process.
"""

import re
import subprocess
from pathlib import Path

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
TORCH = LIBRARIES / "libtorch_cpu.so.1.13"
UNUSED = re.compile(r"lib(opencv_\w+|av\w+|sw\w+|lmdb|leveldb|snappy|zmq)\.so")
#: what is run, or loaded by the interpreter
ROOTS = ("/usr/bin", "/usr/sbin", "/usr/lib/git-core", "/usr/lib/python3", "/torch")
SCRATCH = Path("/tmp/hollow")


def run(*command, given=""):
    """Return what a command prints."""
    return subprocess.run(command, input=given, check=True, capture_output=True, text=True).stdout


def binaries(folder):
    """All programs and libraries below a folder."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as content:
                if content.read(4) == b"\x7fELF":
                    yield file


def listed(*files):
    """What the loader says of libraries that these files need."""
    return subprocess.run(["ldd", *files], capture_output=True, text=True).stdout


def needed(*files):
    """Every library that the loader finds for these files."""
    return {Path(path).resolve() for path in re.findall(r"=> (/\S+) \(", listed(*files))}


def symbols(library, option):
    """Dynamic symbols, as name@version."""
    lines = run("nm", "-D", "--with-symbol-versions", option, str(library)).splitlines()
    return {line.split()[-1].replace("@@", "@") for line in lines}


def hollow(library, wanted):
    """Put a library in another's place that has these symbols, and nothing behind them."""
    code, versions = [".text"], {}
    for symbol in sorted(wanted):
        name, _, version = symbol.partition("@")
        code.append(f".globl {name}\n.type {name}, @function\n{name}: ud2\n.zero 62")
        versions.setdefault(version, []).append(f"{name};")
    versions.pop("", None)
    script = SCRATCH / "versions"
    script.write_text("".join(f"{v} {{ {' '.join(n)} }};\n" for v, n in versions.items()))
    options = ["--version-script", str(script)] if versions else []
    run("as", "-o", str(SCRATCH / "code.o"), given="\n".join(code) + "\n")
    made = ["-o", str(library.resolve()), str(SCRATCH / "code.o")]
    run("ld", "-shared", "-z", "noexecstack", "-soname", library.name, *options, *made)


def main():
    """Hollow out what is not used, then remove what only that needed, or what lacks a library."""
    SCRATCH.mkdir()
    before, bound = needed(TORCH), symbols(TORCH, "--undefined-only")
    for name in re.findall(r"NEEDED.*\[(.+)\]", run("readelf", "-d", str(TORCH))):
        if UNUSED.match(name):
            there = symbols(LIBRARIES / name, "--defined-only")
            plain = {symbol.partition("@")[0] for symbol in there}
            hollow(LIBRARIES / name, {s for s in bound if s in there or s in plain})
    kept = needed(TORCH, *(file for root in ROOTS for file in binaries(Path(root))))
    gone = before - kept
    while gone:
        for file in gone:
            file.unlink()
        gone = {file for file in {*binaries(LIBRARIES)} - kept if "not found" in listed(file)}


main()
