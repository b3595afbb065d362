"""The format of all log records: one line each, bounded, and without control characters or keys of orders."""

import hashlib
import logging
import re
from typing import Any

RECORD_CHARACTERS_MAX = 8000
"""Length of the longest record, its traceback included. A longer one loses its middle."""
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_INDENT = "    "
_LABEL_DIGITS = 12
_REFERENCE_CHARACTER = r"[A-Za-z0-9._:~+=@-]"
_VALUES = re.compile(r"(Key \([^)]*\)=|Failing row contains )\(.*\)")
"""The values of a row in an error of PostgreSQL. They may contain a reference and a buyer's name."""


class LogFormatter(logging.Formatter):
    """Formats a record so that no text in it can pretend to be another record or control a terminal.

    Characters that are not printable are escaped. The lines of a traceback are indented. Values of rows are omitted.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        record.exc_text = None  # Another formatter may have kept its own text of the traceback here.
        text = super().format(record)
        if len(text) <= RECORD_CHARACTERS_MAX:
            return text
        half = RECORD_CHARACTERS_MAX // 2
        return f"{text[:half]} [{len(text) - 2 * half} characters omitted] {text[-half:]}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class names it
        """Return the line of a record without its traceback."""
        return _escape(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base class names it
        """Return the indented lines of a traceback."""
        return "\n".join(_INDENT + _escape(line) for line in super().formatException(ei).split("\n"))


def configure_logging() -> None:
    """Log records from level INFO on to the standard error output."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # httpx logs each request at INFO.
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd logs the addresses of each message at INFO.


def order_label(reference: str) -> str:
    """Return the name of an order in log records: the beginning of the SHA-256 of its reference, in hexadecimal digits.

    A reference gives access to its order, and more people read logs than orders.
    """
    return hashlib.sha256(reference.encode()).hexdigest()[:_LABEL_DIGITS]


def hide_reference(text: str, reference: str) -> str:
    """Return a text for the log, with an order's label in place of its reference."""
    whole = rf"(?<!{_REFERENCE_CHARACTER}){re.escape(reference)}(?!{_REFERENCE_CHARACTER})"
    return re.sub(whole, order_label(reference), text)


def _escape(text: str) -> str:
    text = _VALUES.sub(r"\1(...)", text)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
