"""Describe in plain words which value a field expects and which one it was given."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from fleet.language import N_, _
from fleet.text import word_lists

INTEGER, BOOLEAN, TEXT = N_("an integer"), N_("true or false"), N_("a string")
LIST = N_("a list ([a, b])")
MAPPING = N_("a mapping ({} if it is empty)")
#: pydantic's error type -> what is expected, a message whose placeholders the error's context has.
EXPECTED_BY_ERROR_TYPE = {
    "int_type": INTEGER,
    "int_parsing": INTEGER,
    "int_from_float": INTEGER,
    "int_parsing_size": INTEGER,
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "string_type": TEXT,
    "float_type": N_("a number"),
    "float_parsing": N_("a number"),
    "finite_number": N_("a finite number"),
    "greater_than_equal": N_("{ge} or more"),
    "greater_than": N_("more than {gt}"),
    "less_than_equal": N_("{le} or less"),
    "less_than": N_("less than {lt}"),
    "list_type": LIST,
    "tuple_type": LIST,
    "set_type": LIST,
    "dict_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "mapping_type": MAPPING,
    "too_short": N_("at least {min_length} item(s)"),
    "too_long": N_("at most {max_length} item(s)"),
    "string_too_short": N_("at least {min_length} characters"),
    "string_too_long": N_("at most {max_length} characters"),
    "none_required": N_("no value"),
    "string_unicode": N_("valid Unicode text"),
}

#: pydantic's error types of fields that may have one of some values
CHOICE_ERRORS = ("literal_error", "enum")
#: One of these values in pydantic's own message.
QUOTED_CHOICE = re.compile(r"'([^']*)'")

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
        return _("this field is required")
    context: Mapping[str, Any] = problem.get("ctx", {})
    expected = _describe_expected(problem["type"], context)
    if not expected:  # raised by a validator of the models
        return problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    if value is None:
        return _("expected {expected}, got no value", expected=expected)
    # YAML has other spellings of booleans, such as yes
    shown = str(value).lower() if isinstance(value, bool) else _short.repr(value)
    return _("expected {expected}, got {value}", expected=expected, value=shown)


def list_choices(context: Mapping[str, Any]) -> list[str]:
    """Return the values that a field may have, without quotes.

    Args:
        context: The context of pydantic's error.
    """
    return QUOTED_CHOICE.findall(str(context.get("expected", "")))


def _describe_expected(error_type: str, context: Mapping[str, Any]) -> str:
    """Return what is expected; "" if the error says that itself."""
    if error_type in CHOICE_ERRORS:
        quoted = map(repr, list_choices(context))
        return word_lists.join_alternatives(quoted) or str(context.get("expected", ""))
    expected = EXPECTED_BY_ERROR_TYPE.get(error_type, "")
    values = {name: value for name, value in context.items() if f"{{{name}}}" in expected}
    return _(expected, **values) if expected else ""
