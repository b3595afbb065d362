"""Encodes parameters in PostgreSQL's text format."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

Scalar = str | bool | int | float | bytes | datetime
Parameter = Scalar | list[Any] | tuple[Any, ...] | None
"""The type of a statement's parameter; a list or tuple is an array of scalars."""


def to_text(value: Parameter) -> bytes | None:
    """Return a parameter in text format; None is NULL. The statement determines the parameter's SQL type.

    Raises:
        psycopg.DataError: a text contains a NUL character.
        KeyError: the parameter's type is not supported.
    """
    if value is None:
        return None
    text = _TEXTS[type(value)](value)
    if "\0" in text:
        raise psycopg.DataError("PostgreSQL text cannot contain a NUL character")
    return text.encode()


def _array(values: Sequence[Any]) -> str:
    kinds = set(map(type, values))
    if kinds <= _UNQUOTED:
        return "{" + ",".join(map(str, values)) + "}"
    if kinds == {type(None)}:
        return "{" + ",".join(["null"] * len(values)) + "}"
    if kinds == {bytes}:  # A backslash within the quotes is escaped.
        return '{"' + '","'.join([f"\\\\x{value.hex()}" for value in values]) + '"}'
    if kinds == {str}:
        joined = "".join(values)
        if '"' not in joined and "\\" not in joined:  # Most arrays need no escape per element.
            return '{"' + '","'.join(values) + '"}'
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Scalar | None) -> str:
    if value is None:
        return "null"
    text = _TEXTS[type(value)](value)
    if type(value) in _UNQUOTED:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_TEXTS: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: str,
    int: str,
    float: str,
    bytes: lambda value: f"\\x{value.hex()}",
    datetime: datetime.isoformat,
    list: _array,
    tuple: _array,
}
_UNQUOTED = {bool, int, float}
