"""Describe in plain words which value a field expects and which one it was given."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

INTEGER, BOOLEAN, TEXT = "an integer", "true or false", "a string"
LIST = "a list ([a, b])"
MAPPING = "a mapping ({{}} if it is empty)"
#: pydantic's error type -> what is expected; names in braces are filled from the error's context.
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
    "finite_number": "a finite number",
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
    "too_short": "at least {min_length} item(s)",
    "too_long": "at most {max_length} item(s)",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "none_required": "no value",
    "string_unicode": "valid Unicode text",
}

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


def describe_problem(problem: ErrorDetails) -> str:
    """Describe one validation error.

    >>> describe_problem({"type": "int_type", "input": "two", "msg": "Input should be …"})
    "expected an integer, got 'two'"

    Args:
        problem: An item of pydantic's `ValidationError.errors()`.

    Returns:
        The description, without the field's name.
    """
    if problem["type"] == "missing":
        return "this field is required"
    expected = EXPECTED_BY_ERROR_TYPE.get(problem["type"])
    if expected is None:  # raised by a validator of the models
        return problem["msg"].removeprefix("Value error, ")
    context: Mapping[str, Any] = problem.get("ctx", {})
    return f"expected {expected.format(**context)}, {_describe_value(problem['input'])}"


def _describe_value(value: Any) -> str:
    if value is None:
        return "got no value"
    if isinstance(value, bool):  # YAML has other spellings, such as yes
        return f"got {str(value).lower()}"
    return f"got {_short.repr(value)}"
