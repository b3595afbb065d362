"""Values of settings: read from texts in the environment, or refused with the variable and the allowed values."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import msgspec

from api.addresses import (
    parse_database,
    parse_domain,
    parse_host,
    parse_mail_server,
    parse_mailbox,
    parse_origins,
    parse_url,
)
from api.errors import ConfigError

_PARSERS: Mapping[str, Callable[[str], str]] = {
    "database_url": parse_database,
    "database_direct_url": parse_database,
    "api_host": parse_host,
    "public_api_url": parse_url,
    "public_web_url": parse_url,
    "public_staff_url": parse_url,
    "web_origins": parse_origins,
    "provider_url": parse_url,
    "psp_webhook_url": parse_url,
    "stripe_api_url": parse_url,
    "smtp_url": parse_mail_server,
    "mail_from": parse_mailbox,
    "passkey_rp_id": parse_domain,
}
"""The settings that are addresses."""
SECRETS = frozenset(
    {
        *("database_url", "database_direct_url", "smtp_url"),
        *("payment_webhook_secret", "ticket_secret", "access_secret", "session_secrets"),
        *("stripe_api_key", "stripe_webhook_secrets"),
    }
)
"""The settings that contain a secret, or may contain a password. No message shows their values."""
_PLAIN_INTEGER = re.compile(r"-?[0-9]+")


def read_value(field: str, text: str, declared: Any) -> Any:
    """Return the value of a field whose declared type may be optional.

    Raises:
        ConfigError: the text is not allowed.
    """
    kind = _without_none(declared)
    try:
        if field in _PARSERS:
            return _PARSERS[field](text)
        if kind is Path:
            text.encode()
            return Path(text).expanduser()
        if _is_integer(kind) and not _PLAIN_INTEGER.fullmatch(text):  # msgspec accepts 1e2 as 100.
            raise ValueError(_allowed(kind))
        return msgspec.convert(text, type=kind, strict=False)
    except msgspec.ValidationError:
        reason = _allowed(kind)
    except (UnicodeEncodeError, RuntimeError):  # There is no such user.
        reason = "a directory, in UTF-8"
    except ValueError as error:
        reason = str(error)
    raise ConfigError(f"{_shown(field, text)} is not allowed: it must be {reason}.")


def _without_none(kind: Any) -> Any:
    """Return the type of an optional field's values. No text stands for None."""
    others = [each for each in get_args(kind) if each is not NoneType]
    return others[0] if NoneType in get_args(kind) else kind


def _shown(field: str, text: str) -> str:
    """Return a variable with its value, or without a value that may contain a secret."""
    is_secret = field in SECRETS or (field in _PARSERS and re.search("[@?#]", text))
    return field.upper() if is_secret else f"{field.upper()}={text!r}"


def _is_integer(kind: Any) -> bool:
    return bool(get_args(kind)) and get_args(kind)[0] is int


def _allowed(kind: Any) -> str:
    """Describe the allowed values of a field's type."""
    meta = next((m for m in getattr(kind, "__metadata__", ()) if isinstance(m, msgspec.Meta)), None)
    base = get_args(kind)[0] if meta else kind
    if meta:
        noun = "a whole number" if base is int else "a number"
        return f"{noun} from {meta.ge} to {meta.le}"
    if choices := get_args(kind):
        return " or ".join(str(choice) for choice in choices)
    return "a text"
