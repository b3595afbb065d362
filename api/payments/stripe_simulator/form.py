"""Bodies and queries in the form encoding of Stripe: `line_items[0][quantity]=1` is a nested value."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from api.payments.stripe_simulator.errors import StripeRefused

FIELDS_MAX: Final = 200
"""The most fields of one request."""
_NAME: Final = re.compile(r"(?P<first>\w+)(?P<rest>(\[\w*\])*)")
_PART: Final = re.compile(r"\[(\w*)\]")


def parse_form(encoded: str) -> dict[str, Any]:
    """Return the nested fields of a form; the entries of a list have their numbers as names.

    Raises:
        StripeRefused: the form is malformed, or a field appears twice.
    """
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded), max_num_fields=FIELDS_MAX)
    except ValueError:
        raise StripeRefused("The request is not form-encoded.") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        found = _NAME.fullmatch(name)
        if not found:
            raise StripeRefused(f"Invalid name: {name}", param=name)
        *parents, last = (found["first"], *_PART.findall(found["rest"]))
        target = fields
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise StripeRefused(f"Invalid object: {name}", param=name)
        if (last or str(len(target))) in target:
            raise StripeRefused(f"Duplicate parameter: {name}", param=name)
        target[last or str(len(target))] = value
    return fields


def take(fields: dict[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    """Return the fields, all of which must be allowed.

    Raises:
        StripeRefused: a field is not allowed.
    """
    for name in fields:
        if name not in allowed:
            raise StripeRefused(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    return fields


def integer(fields: dict[str, Any], name: str, *, least: int = 0) -> int:
    """Return a whole number of a form.

    Raises:
        StripeRefused: the field is missing, is no whole number, or is too small.
    """
    text = fields.get(name)
    if text is None:
        raise StripeRefused(f"Missing required param: {name}.", code="parameter_missing", param=name)
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,15}", text):
        raise StripeRefused(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    if int(text) < least:
        raise StripeRefused(f"{name} must be at least {least}.", code="parameter_invalid_integer", param=name)
    return int(text)


def text_of(fields: dict[str, Any], name: str) -> str:
    """Return a text of a form.

    Raises:
        StripeRefused: the field is missing, empty or no text.
    """
    value = fields.get(name)
    if not value:
        raise StripeRefused(f"Missing required param: {name}.", code="parameter_missing", param=name)
    if not isinstance(value, str):
        raise StripeRefused(f"Invalid string: {name}", param=name)
    return value


def mapping_of(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a nested object of a form; empty if the form has none.

    Raises:
        StripeRefused: the field is no object.
    """
    value = fields.get(name, {})
    if not isinstance(value, dict):
        raise StripeRefused(f"Invalid object: {name}", param=name)
    return value
