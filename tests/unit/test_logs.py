"""The format of log records."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.datastructures import State

from api.app import create_app, create_operations_app
from api.commands import mailbox, payment_simulator
from api.config import Settings
from api.http.problems import problem_of
from api.logs import RECORD_CHARACTERS_MAX, LogFormatter, configure_logging


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The output of all loggers."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    yield output
    root.removeHandler(handler)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("José 2 € 座", "José 2 € 座"),
        ("a\nERROR forged", r"a\nERROR forged"),
        ("a\r\x1b[31m\x00\x7f\x9b", r"a\r\x1b[31m\x00\x7f\x9b"),
        ("a\u2028b\u202ec\u200bd", r"a\u2028b\u202ec\u200bd"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_message_has_one_line_without_control_characters(text: str, shown: str) -> None:
    # A logger would pass half a surrogate pair to pytest as well, whose worker processes cannot send it.
    record = logging.LogRecord("test", logging.WARNING, __file__, 1, "got %s", (text,), None)
    assert LogFormatter("%(levelname)s %(message)s").format(record) == f"WARNING got {shown}"


def test_a_traceback_cannot_look_like_another_record(log: io.StringIO) -> None:
    try:
        raise ValueError("first\nERROR forged\x1b")
    except ValueError:
        logging.getLogger("test").exception("failed")
    first, *lines = log.getvalue().splitlines()
    assert first == "ERROR failed"
    assert r"    ERROR forged\x1b" in lines
    assert all(line.startswith("    ") for line in lines)


def test_a_record_has_a_bounded_length_and_keeps_its_ends(log: io.StringIO) -> None:
    logging.getLogger("test").warning("begin %s end", "x" * 1_000_000)
    text = log.getvalue()
    assert len(text) < RECORD_CHARACTERS_MAX + 100
    assert text.startswith("WARNING begin")
    assert "characters omitted" in text
    assert text.endswith("end\n")


def test_a_failed_request_is_logged_with_its_quoted_path(log: io.StringIO) -> None:
    problem_of(ZeroDivisionError("x"), "GET", "/api/a\nERROR forged " + "y" * 5000)
    first = log.getvalue().splitlines()[0]
    assert first.startswith(r"ERROR 'GET' '/api/a\nERROR forged yyy")
    assert len(first) < 300


def test_no_application_replaces_the_format(tmp_path: Path) -> None:
    handlers = list(logging.getLogger().handlers)
    settings = Settings(data_dir=tmp_path)
    create_app(settings)
    create_operations_app(State())
    mailbox.create_app(settings)
    payment_simulator.create_app(settings)
    assert logging.getLogger().handlers == handlers


def test_the_mailbox_logs_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    configure_logging()
    assert not logging.getLogger("mail.log").isEnabledFor(logging.INFO)
