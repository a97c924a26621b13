"""Load YAML and reject what is easily misread: implicit types, duplicate keys, alias bombs."""

from __future__ import annotations

import re
from typing import Any

import yaml
from typing_extensions import override

from fleet.language import N_, _

#: Limits on nesting, and on values after all aliases are expanded; real files stay far below.
MAX_DEPTH, MAX_VALUES = 50, 100_000
#: Digits of a number; longer ones would be slow to convert.
MAX_DIGITS = 30

STRING_TAG, MERGE_TAG = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
#: Tag that YAML gives to a plain scalar -> the type in words.
IMPLICIT_TYPES = {
    "tag:yaml.org,2002:int": N_("a number"),
    "tag:yaml.org,2002:float": N_("a number"),
    "tag:yaml.org,2002:bool": N_("true or false"),
    "tag:yaml.org,2002:null": N_("an empty value"),
    "tag:yaml.org,2002:timestamp": N_("a date"),
}
DECIMAL_PATTERN = re.compile(r"[-+]?(0|[1-9][0-9]*)")
#: Characters that neither a file name nor a UTF-8 file can contain.
INVALID_CHARACTERS = re.compile("[\0\ud800-\udfff]")


def make_error(node: yaml.Node | yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    """Create an error with the position of a node.

    Args:
        node: A node, or an event of the parser.
        problem: What is wrong with it.

    Returns:
        The error, to be raised by the caller.
    """
    mark: Any = node.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def explain_yaml_type(node: yaml.Node) -> str:
    """Explain why an unquoted word is not a string, and how to make it one.

    Args:
        node: Any node.

    Returns:
        The explanation; "" if the node is not an unquoted word that YAML converts.
    """
    if not isinstance(node, yaml.ScalarNode) or node.tag not in IMPLICIT_TYPES or not node.value:
        return ""
    return _(
        'YAML reads {value} as {type}; quote it: "{value}"',
        value=node.value,
        type=_(IMPLICIT_TYPES[node.tag]),
    )


class StrictLoader(yaml.SafeLoader):
    """A SafeLoader with limits, unique string keys, and a line number in every error."""

    def __init__(self, text: str, max_values: int) -> None:
        """Create a loader.

        Args:
            text: The YAML text.
            max_values: Limit on the number of values, with all aliases expanded.
        """
        super().__init__(text)
        self._depth, self._max_values = 0, max_values
        #: Node -> number of values and levels in it, with aliases expanded.
        self._sizes: dict[yaml.Node, tuple[int, int]] = {}

    @override
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node and check its limits (overrides PyYAML's composer).

        Args:
            parent: The node that contains it.
            index: Its key or index there.

        Returns:
            The node.

        Raises:
            yaml.MarkedYAMLError: A limit is exceeded, or an alias is recursive.
        """
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._depth == MAX_DEPTH:
            raise make_error(event, _("nested deeper than {levels} levels", levels=MAX_DEPTH))
        if len(self._sizes) > self._max_values:
            raise make_error(event, _("more than {limit} values", limit=self._max_values))
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                raise make_error(event, _("recursive alias *{anchor}", anchor=event.anchor))
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
            raise make_error(node, _("invalid character (NUL or unpaired surrogate)"))
        size = 1 + sum(self._sizes[part][0] for part in parts)
        levels = 1 + max((self._sizes[part][1] for part in parts), default=0)
        if size > self._max_values or levels > MAX_DEPTH:
            raise make_error(
                node,
                _(
                    "its aliases expand to more than {limit} values or {levels} levels",
                    limit=self._max_values,
                    levels=MAX_DEPTH,
                ),
            )
        self._sizes[node] = size, levels

    @override
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct the value of a node, with a line number in every error.

        Args:
            node: The node.
            deep: Whether to construct its children at once.

        Returns:
            The value.

        Raises:
            yaml.MarkedYAMLError: The text is not a value of its type.
        """
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            # PyYAML does not catch what int() or date() raise
            type_name = node.tag.rpartition(":")[2]
            raise make_error(
                node,
                _(
                    "{value!r} is not a valid {type_name}: {error}",
                    value=node.value,
                    type_name=type_name,
                    error=error,
                ),
            ) from error

    @override
    def construct_yaml_int(self, node: yaml.Node) -> int:
        """Construct an integer, and reject YAML 1.1's octal, hexadecimal and base 60 numbers.

        Args:
            node: A scalar that YAML resolves to an integer.

        Returns:
            The number.

        Raises:
            yaml.MarkedYAMLError: The number is not in plain decimal notation.
        """
        if not DECIMAL_PATTERN.fullmatch(node.value) or len(node.value) > MAX_DIGITS:
            raise make_error(
                node,
                _(
                    "{value} is not a plain decimal number in YAML (leading zeros mean "
                    "octal, colons base 60); write it in decimal, or quote it",
                    value=node.value,
                ),
            )
        return int(node.value)


StrictLoader.add_constructor("tag:yaml.org,2002:int", StrictLoader.construct_yaml_int)


def _check_keys(node: yaml.MappingNode) -> None:
    """Reject keys that are not strings, and duplicate keys, of which PyYAML keeps the last."""
    lines: dict[str, int] = {}
    for key, _value in node.value:
        if key.tag == MERGE_TAG:
            continue
        if not isinstance(key, yaml.ScalarNode) or key.tag != STRING_TAG:
            raise make_error(key, explain_yaml_type(key) or _("a key must be a string"))
        if key.value in lines:
            raise make_error(
                key,
                _(
                    "duplicate key {key!r}, first in line {line}",
                    key=key.value,
                    line=lines[key.value],
                ),
            )
        lines[key.value] = key.start_mark.line + 1


def load(text: str, size_factor: int = 1) -> tuple[Any, yaml.Node | None]:
    """Load a YAML text.

    Args:
        text: The text of one document.
        size_factor: Multiplies the limit on the number of values.

    Returns:
        The value, and its node tree with line numbers; None twice for an empty document.

    Raises:
        yaml.YAMLError: The text is not valid YAML, or is ambiguous.
    """
    loader = StrictLoader(text, MAX_VALUES * size_factor)
    try:
        node = loader.get_single_node()
        data = loader.construct_document(node) if node else None
    finally:
        loader.dispose()
    return data, node
