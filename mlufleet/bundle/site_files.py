"""What a site has beside its inventories: data of groups, marks of quarantine; and other files."""

from __future__ import annotations

import ast
import filecmp
from collections.abc import Iterable, Iterator
from pathlib import Path

from fleet import paths
from fleet.language import _
from mlufleet.bundle.portability import LOCAL_FILE_FIELDS
from mlufleet.run.operator import SECRET_WORDS

GROUP_DATA = "group_data"
#: such a field names the file of a secret, which is not packed
FILE_SUFFIXES = ("_file", "_path")


def list_group_data(inventories: Iterable[Path]) -> list[tuple[str, Path]]:
    """Return the data of groups that runs read: path in the bundle, and the file.

    pyinfra reads them beside an inventory and in the current folder; `mlufleet` those of the
    site's inventories as well. Two files may have one path.

    Args:
        inventories: Inventory files that are packed.
    """
    beside = f"{paths.INVENTORIES_FOLDER}/{GROUP_DATA}"
    folders = (
        (GROUP_DATA, Path(GROUP_DATA)),
        (beside, Path(beside)),
        *((beside, path.parent / GROUP_DATA) for path in inventories),
    )
    return [
        (f"{place}/{path.name}", path)
        for place, folder in dict.fromkeys(folders)
        for path in sorted(folder.glob("*.py"))
        if path.is_file()
    ]


def list_inventories(names: Iterable[str]) -> list[str]:
    """Return the inventories among the paths of a bundle.

    Args:
        names: Paths in the bundle. Each bundle has the tool's `fleet.py`, which reads a file beside
            it; it is an inventory of its own if there is no other.
    """
    folder, usual = Path(paths.INVENTORIES_FOLDER), f"{paths.INVENTORIES_FOLDER}/fleet.py"
    found = [
        name for name in names if Path(name).parent == folder and ".example." not in Path(name).name
    ]
    return [name for name in found if name != usual] or [usual]


def find_quarantine(inventories: Iterable[Path]) -> list[Path]:
    """Return the files with the quarantines of these inventories' hosts, or else of this folder.

    Args:
        inventories: Inventory files that are packed.
    """
    files = [paths.find_quarantine_file(path) for path in inventories]
    return [path for path in files or [Path(paths.QUARANTINE_FILE)] if path.is_file()]


def find_secrets(path: Path) -> list[str]:
    """Return the names in a file of Python that are given a secret as text: `line 3: name`.

    Args:
        path: The file; one that is no Python has no names.
    """
    names = (found for node in _walk(path) for found in _list_assigned(node))
    return [
        _("line {line}: {name}", line=line, name=name)
        for line, name in sorted(set(names))
        if SECRET_WORDS.search(name) and not name.endswith(FILE_SUFFIXES)
    ]


def _walk(path: Path) -> Iterator[ast.AST]:
    """Yield all nodes of a file's syntax tree; none if it is no Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    yield from ast.walk(tree)


def _list_assigned(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each text that a node of a syntax tree gives to a name."""
    pairs: list[tuple[ast.expr | None, ast.expr | None]] = []
    if isinstance(node, ast.Assign):
        pairs = [pair for target in node.targets for pair in _pair(target, node.value)]
    elif isinstance(node, ast.AnnAssign):
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.keyword) and node.arg and _is_text(node.value):
        yield node.value.lineno, node.arg
    for target, value in pairs:
        if isinstance(target, ast.Name) and _is_text(value):
            yield target.lineno, target.id
        elif isinstance(target, ast.Constant) and _is_text(value):
            yield target.lineno, str(target.value)


def _pair(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr | None, ast.expr | None]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=False))
    return [(target, value)]


def _is_text(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Constant) and isinstance(value.value, (str, bytes)):
        return bool(value.value)
    return isinstance(value, ast.JoinedStr)


def find_problems(inventories: Iterable[Path]) -> list[str]:
    """Return a line for each thing in files of Python that another site cannot use, or should not.

    Args:
        inventories: Inventory files that are packed; their data of groups are looked at as well.
    """
    lines = [
        _("{path}: a secret as text goes into the bundle: {places}", path=path, places=place)
        for path in inventories
        if path.suffix == ".py"
        for place in find_secrets(path)
    ]
    data = (path for _name, path in list_group_data(inventories))
    for path in dict.fromkeys((*(path for path in inventories if path.suffix == ".py"), *data)):
        names = {name for node in _walk(path) for _line, name in _list_assigned(node)}
        for field in sorted(names.intersection(LOCAL_FILE_FIELDS)):
            problem = _(
                "{field}: not in the bundle; the other site needs its own", field=f"`{field}`"
            )
            lines.append(f"{path}: {problem}")
    return lines


def list_left_out(packed: dict[str, Path | bytes], inventories: Iterable[Path]) -> list[str]:
    """Return a line for each file of the site's places for inventories that is not in the bundle.

    Args:
        packed: What is packed by its path in the bundle.
        inventories: Inventory files that are packed.
    """
    folder = Path(paths.INVENTORIES_FOLDER)
    data = folder / GROUP_DATA
    places = {folder: folder, data: data, Path(GROUP_DATA): Path(GROUP_DATA)}
    places |= {path.parent / GROUP_DATA: data for path in inventories}
    lines = []
    for place, target in places.items():
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            is_known = path.name in ("__pycache__", GROUP_DATA) or ".example." in path.name
            if not is_known and not _is_same(path, packed.get((target / path.name).as_posix())):
                lines.append(_describe_left_out(path, is_inventory=place == folder))
    quarantine = Path(paths.QUARANTINE_FILE)
    if quarantine.is_file() and not _is_same(quarantine, packed.get(paths.QUARANTINE_FILE)):
        lines.append(_describe_left_out(quarantine, is_inventory=False))
    return lines


def _is_same(path: Path, content: Path | bytes | None) -> bool:
    return isinstance(content, Path) and path.is_file() and filecmp.cmp(path, content, False)


def _describe_left_out(path: Path, *, is_inventory: bool) -> str:
    if is_inventory:
        return _("not in the bundle: {path}; an inventory is packed with --inventory", path=path)
    if path.suffix == ".py" and path.is_file() and (secrets := find_secrets(path)):
        return _(
            "not in the bundle: {path}, which has a secret as text ({places}); remedy: put it "
            "into a file, name that file here, and pack again",
            path=path,
            places=", ".join(secrets),
        )
    return _("not in the bundle: {path}", path=path)
