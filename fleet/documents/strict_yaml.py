"""YAML without its traps: what would be read as something else than it says is refused."""

from __future__ import annotations

import re
from typing import Any

import yaml
from typing_extensions import override

#: levels of nesting, and values after every alias is written out; no true file comes near
MAX_DEPTH, MAX_VALUES = 50, 100_000

STRING_TAG, MERGE_TAG = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
#: what YAML makes of a word that is not in quotes
IMPLICIT_TYPES = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "yes or no",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
}
DECIMAL_PATTERN = re.compile(r"[-+]?(0|[1-9][0-9]*)")
#: neither a file name nor a UTF-8 file can have one
INVALID_CHARACTERS = re.compile("[\0\ud800-\udfff]")


def make_error(node: yaml.Node | yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    mark: Any = node.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def explain_yaml_type(node: yaml.Node) -> str:
    """Why a plain word is no string, and what would be one; "" for all other nodes."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in IMPLICIT_TYPES or not node.value:
        return ""
    return (
        f'YAML reads {node.value} as {IMPLICIT_TYPES[node.tag]}: put it in quotes, "{node.value}"'
    )


class StrictLoader(yaml.SafeLoader):
    """SafeLoader with bounds, whose every error has a line and whose keys are strings, once."""

    def __init__(self, text: str, largest: int) -> None:
        super().__init__(text)
        self._depth, self._largest = 0, largest
        #: node -> values and levels in it, aliases written out
        self._measured: dict[yaml.Node, tuple[int, int]] = {}

    @override
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._depth == MAX_DEPTH:
            raise make_error(event, f"nested deeper than {MAX_DEPTH} levels")
        if len(self._measured) > self._largest:
            raise make_error(event, f"more than {self._largest} values")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if isinstance(event, yaml.AliasEvent):
            if node not in self._measured:
                raise make_error(event, f"*{event.anchor} stands inside of itself")
        else:
            self._measure(node)
        return node

    def _measure(self, node: yaml.Node) -> None:
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif INVALID_CHARACTERS.search(node.value):
            raise make_error(node, "a character that no file can have (NUL or half a surrogate)")
        size = 1 + sum(self._measured[part][0] for part in parts)
        levels = 1 + max((self._measured[part][1] for part in parts), default=0)
        if size > self._largest or levels > MAX_DEPTH:
            raise make_error(
                node, f"its aliases make more than {self._largest} values or {MAX_DEPTH} levels"
            )
        self._measured[node] = size, levels

    @override
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            kind = node.tag.rpartition(":")[2]  # PyYAML lets through what int() or date() say
            raise make_error(node, f"{node.value!r} is not a {kind}: {error}") from error

    @override
    def construct_yaml_int(self, node: yaml.Node) -> int:
        if not DECIMAL_PATTERN.fullmatch(node.value) or len(node.value) > 30:
            raise make_error(
                node,
                f"YAML does not read {node.value} as the number it looks like "
                "(octal, base 60): write it in decimal, or in quotes",
            )
        return int(node.value)


StrictLoader.add_constructor("tag:yaml.org,2002:int", StrictLoader.construct_yaml_int)


def _check_keys(node: yaml.MappingNode) -> None:
    """:raises yaml.MarkedYAMLError: a key is no string, or given twice (the last would win)"""
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag == MERGE_TAG:
            continue
        if not isinstance(key, yaml.ScalarNode) or key.tag != STRING_TAG:
            raise make_error(key, explain_yaml_type(key) or "a key must be a word")
        if key.value in seen:
            raise make_error(key, f"{key.value!r} is given twice, first in line {seen[key.value]}")
        seen[key.value] = key.start_mark.line + 1


def load(text: str, size_factor: int = 1) -> tuple[Any, yaml.Node | None]:
    """The value of a text, and its node tree for line numbers.

    :param times: as many values as usual may be in it
    :raises yaml.YAMLError: it is not YAML, or is one of YAML's traps
    """
    loader = StrictLoader(text, MAX_VALUES * size_factor)
    try:
        node = loader.get_single_node()
        data = loader.construct_document(node) if node else None
    finally:
        loader.dispose()
    return data, node
