"""What a wrong value should be, in plain words, and what was given."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

INTEGER, BOOLEAN, TEXT = "a whole number", "true or false", "a text"
LIST = "a list ([one, other])"
MAPPING = "a mapping (`{{}}` is an empty one)"
#: pydantic's type of an error -> what is expected; in braces what it knows of the limit
EXPECTED_BY_ERROR_TYPE = {
    "int_type": INTEGER,
    "int_parsing": INTEGER,
    "int_from_float": INTEGER,
    "int_parsing_size": INTEGER,
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "string_type": TEXT,
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "list_type": LIST,
    "tuple_type": LIST,
    "set_type": LIST,
    "dict_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "mapping_type": MAPPING,
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "{min_length} characters or more",
    "string_too_long": "{max_length} characters or fewer",
    "none_required": "nothing",
    "string_unicode": "a text in Unicode",
}

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


def describe_problem(problem: ErrorDetails) -> str:
    """One problem of a value.

    >>> told({"type": "int_type", "input": "two", "msg": "Input should be a valid integer"})
    "a whole number is expected, not 'two'"
    """
    if problem["type"] == "missing":
        return "this field is missing"
    words = EXPECTED_BY_ERROR_TYPE.get(problem["type"])
    if words is None:  # our own
        return problem["msg"].removeprefix("Value error, ")
    context: Mapping[str, Any] = problem.get("ctx", {})
    return f"{words.format(**context)} is expected, {_describe_value(problem['input'])}"


def _describe_value(value: Any) -> str:
    if value is None:
        return "and nothing is given"
    if isinstance(value, bool):  # YAML has more words for them
        return f"not {str(value).lower()}"
    return f"not {_short.repr(value)}"
