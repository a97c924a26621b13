"""What a wrong value should be, in plain words, and what was given."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

WHOLE, TRUTH, TEXT = "a whole number", "true or false", "a text"
SEVERAL = "a list ([one, other])"
PAIRS = "a mapping (`{{}}` is an empty one)"
#: pydantic's type of an error -> what is expected; in braces what it knows of the limit
WORDS = {
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "int_parsing_size": WHOLE,
    "bool_type": TRUTH,
    "bool_parsing": TRUTH,
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
    "list_type": SEVERAL,
    "tuple_type": SEVERAL,
    "set_type": SEVERAL,
    "dict_type": PAIRS,
    "model_type": PAIRS,
    "model_attributes_type": PAIRS,
    "mapping_type": PAIRS,
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "{min_length} characters or more",
    "string_too_long": "{max_length} characters or fewer",
    "none_required": "nothing",
    "string_unicode": "a text in Unicode",
}

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


def told(problem: ErrorDetails) -> str:
    """One problem of a value.

    >>> told({"type": "int_type", "input": "two", "msg": "Input should be a valid integer"})
    "a whole number is expected, not 'two'"
    """
    if problem["type"] == "missing":
        return "this field is missing"
    words = WORDS.get(problem["type"])
    if words is None:  # our own
        return problem["msg"].removeprefix("Value error, ")
    context: Mapping[str, Any] = problem.get("ctx", {})
    return f"{words.format(**context)} is expected, {_given(problem['input'])}"


def _given(value: Any) -> str:
    if value is None:
        return "and nothing is given"
    if isinstance(value, bool):  # YAML has more words for them
        return f"not {str(value).lower()}"
    return f"not {_short.repr(value)}"
