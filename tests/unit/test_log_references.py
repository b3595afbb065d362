"""Log records do not contain references, which give access to orders."""

import hashlib
import logging

import pytest

from api.errors import NotFound
from api.http.problems import problem_of
from api.logs import LogFormatter, hide_reference, order_label

REFERENCE = "bk_0123456789abcdef01234567"
LABEL = hashlib.sha256(REFERENCE.encode()).hexdigest()[:12]


def test_the_label_of_an_order_is_the_beginning_of_the_hash_of_its_reference() -> None:
    assert order_label(REFERENCE) == LABEL


@pytest.mark.parametrize("rest", ["", "/cancel", "/tickets/1.svg"])
def test_the_path_of_a_failed_request_has_no_reference(caplog: pytest.LogCaptureFixture, rest: str) -> None:
    problem_of(RuntimeError(), "GET", f"/api/bookings/{REFERENCE}{rest}")
    assert REFERENCE not in caplog.text
    assert f"'/api/bookings/{LABEL}{rest}'" in caplog.text
    assert problem_of(NotFound("x"), "GET", "/api/bookings").status == 404


@pytest.mark.parametrize(
    "text",
    [
        f"DETAIL:  Key (reference)=({REFERENCE}) already exists.",
        f"DETAIL:  Failing row contains (1, 2, {REFERENCE}, José (the second)).",
    ],
)
def test_errors_of_the_database_show_no_values(text: str) -> None:
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, "failed: %s", (text,), None)
    shown = LogFormatter("%(message)s").format(record)
    assert REFERENCE not in shown
    assert "José" not in shown
    assert "(...)" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/charges/a1/refund", "/charges/{}/refund"),
        ('{"reference": "a1"}', '{"reference": "{}"}'),
        ("a1a a1 xa1 a1.", "a1a {} xa1 a1."),  # `a1.` is another reference.
    ],
)
def test_only_the_whole_reference_is_hidden(text: str, shown: str) -> None:
    assert hide_reference(text, "a1") == shown.replace("{}", order_label("a1"))
