"""What anything can be: texts changed in a few places, values of every kind, and YAML's traps."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from fleet.errors import InvalidInput

T = TypeVar("T")

#: surrogates are what `surrogateescape` makes of bytes that are no UTF-8
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)

TRAPS = [
    b"\t",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\x1b[31m",
    b"\r",
    b"\n",
    b"&a ",
    b"*a",
    b"&a [*a]",
    b"<<: *a\n",
    b"<<: 3\n",
    b"[",
    b"{",
    b"}",
    b"]",
    b": ",
    b"- ",
    b"? ",
    b"[" * 60,
    b"- " * 60,
    b"? [a]\n: b\n",
    b"? {a: b}\n: b\n",
    b"1: a\n",
    b"yes: a\n",
    b"~: a\n",
    b"2001-99-99",
    b"2001-01-01",
    b"5.10",
    b"0x_",
    b"0b_",
    b"1:1",
    b"010",
    b".inf",
    b".nan",
    b"=",
    b"9" * 5000,
    b"!!int x",
    b"!!timestamp x",
    b"!!bool x",
    b"!!float x",
    b"!!null x",
    b"!!set [a]",
    b"!!map a",
    b"!!omap a",
    b"!!binary \xc3",
    b"!!python/object:os.system x",
    b"!x",
    b"!!str {a: b}",
    b"--- \n",
    b"...\n",
    b"%YAML 9.9\n",
    b'"\\ud800"',
    b'"\\0"',
    b"'",
    b'"',
    b"|\n",
    b">9\n",
    b"#",
    b"extends: x\n",
    b"../",
    b"a" * 5000,
    b"~nobody/x",
    b"null",
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"!!str 5.10",
]

#: what reads text that others wrote -> the test that makes such text up
FOREIGN = {
    "mlufleet.bundle.manifest": "test_fuzz_foreign",
    "fleet.vendor.cnmon": "fleet/vendor/test_cnmon",
    "fleet.vendor.cnvs": "operations/test_validation",
    "mlufleet.cli.health": "test_fuzz_foreign",
    "fleet.text.sanitize": "fleet/text/test_sanitize",
    "fleet.inventory": "fleet/documents/test_fuzz_documents",
    "mlufleet.journal.journal": "mlufleet/journal/test_fuzz_journal",
    "mlufleet.journal.events": "mlufleet/journal/test_fuzz_journal",
    "fleet.release.lockfile": "fleet/documents/test_fuzz_documents",
    "fleet.checksum.cache": "test_fuzz_foreign",
    "fleet.release.files": "fleet/documents/test_fuzz_documents",
    "fleet.release.snapshot": "test_fuzz_foreign",
    "mlufleet.report.derive": "mlufleet/journal/test_fuzz_journal",
    "mlufleet.report.terminal": "mlufleet/journal/test_fuzz_journal",
    "mlufleet.rollout.hooks": "test_fuzz_foreign",
    "fleet.store.checksum_files": "fleet/store/test_checksum_files",
    "fleet.store.image_archive": "fleet/store/test_image_archive",
    "fleet.store.system_packages": "fleet/store/test_system_packages",
    "fleet.store.git_repositories": "fleet/store/test_git_repositories",
    "fleet.store.weight_files": "fleet/store/test_weights",
    "fleet.store.weights": "fleet/store/test_weights",
    "fleet.store.wheels": "fleet/store/test_wheels",
    "fleet.text.redact": "fleet/store/test_fetch",
    "operations.host.output": "operations/host/test_output",
    "operations.transfer.tracker": "test_fuzz_foreign",
    "operations.transfer.aria2": "test_fuzz_foreign",
    "operations.host.file_edit": "operations/host/test_output",
    "operations.host.probe_parser": "operations/host/test_fuzz_probe",
    "operations.host.sudo": "test_fuzz_foreign",
    "operations.transfer.upload": "operations/host/test_output",
}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.binary(max_size=5),
    st.text(max_size=20),
    st.sampled_from(["..", "/", "a'b", "$(x)", "a" * 300, "~nobody/x", ""]),
)
KEYS = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.dates())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """A text's bytes after a few cuts, repetitions, swaps and insertions."""
    content = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 30)))
        before, piece, after = content[:start], content[start:end], content[end:]
        content = draw(
            st.sampled_from(
                [
                    before,
                    before + after,
                    before + piece + piece + after,
                    before + piece[::-1] + after,
                    before + draw(st.sampled_from(TRAPS)) + after,
                    before + draw(st.binary(max_size=4)) + piece + after,
                ]
            )
        )
    return content


def places(data: Any) -> list[tuple[Any, ...]]:
    """The path of every value in plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    found: list[tuple[Any, ...]] = []
    for key, value in items:
        below = places(value) if isinstance(value, (dict, list)) else []
        found += [(key,), *((key, *path) for path in below)]
    return found


@st.composite
def altered(draw: st.DrawFn, data: dict[str, Any]) -> dict[str, Any]:
    """Valid data with one or two of its values lost, replaced or joined by another."""
    changed = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 2))):
        if not (found := places(changed)):
            break
        *path, last = draw(st.sampled_from(found))
        holder = changed
        for part in path:
            holder = holder[part]
        how = draw(st.sampled_from(["lose", "replace", "replace", "add"]))
        if how == "lose":
            del holder[last]
        elif how == "replace":
            holder[last] = draw(VALUES)
        elif isinstance(holder, dict):
            holder[draw(KEYS)] = draw(VALUES)
        else:
            holder.append(draw(VALUES))
    return changed


def judged(call: Callable[[], T], *files: Path, lines: bool = True) -> T | None:
    """What a call gives; None for wrong input, which must be told with file and line."""
    try:
        return call()
    except InvalidInput as error:
        names = "|".join(re.escape(str(file)) for file in files)
        assert re.match(rf"({names}):" + r"\d+: " * lines, str(error)), (
            f"file and line are not in {error!s:.300}"
        )
        assert not re.search("Input should|should have|pydantic", str(error)), "a library's words"
        return None
