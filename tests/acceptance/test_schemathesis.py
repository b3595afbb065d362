"""The API against its OpenAPI document, with valid and invalid requests that Schemathesis generates."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from api.commands.audit import audit
from api.database.embedded import EmbeddedServer
from tests.acceptance.system import running_system
from tests.stack import ROOT, Stack, clean_environment

EXAMPLES_MAX = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "6"))
"""Random requests per operation, in addition to those for each limit of the document."""
BOOKING_PATH = os.environ.get("BOOKING_PATH", "direct")
STEPS_MAX = 4
"""The longest sequence of requests along the document's links."""
SEED = "20260101"
TIMEOUT_S = 240 + 5 * EXAMPLES_MAX

# Every check is on. A refusal of a valid request may depend on the state (402 and 422 among others), but never be 400.
# The exception is a booking whose tickets contradict its other fields: a check in `schema_rules` admits no other 400.
# Lists with the most tickets or more exceed BODY_BYTES_MAX (413), and so do invalid texts that are too long.
# Sequences follow the document's links only, not equal names.
CONFIG = f"""
hooks = "tests.acceptance.schema_rules"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "402", "403", "404", "409", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]

[[operations]]
include-name = "POST /api/bookings"
checks.positive_data_acceptance.expected-statuses = [
    "2xx", "3xx", "400", "401", "402", "403", "404", "409", "413", "422"
]
checks.negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "406", "413", "415", "422"]

[phases.stateful]
max-steps = {STEPS_MAX}
inference.algorithms = []
"""

# The coverage phase generates many texts that match the pattern of a name. The responses of these operations to texts
# do not depend on the payment mode, so one of the two runs covers each operation.
COVERED_ONCE = {
    "inline": (
        "GET /api/events/{slug}",
        "GET /api/tickets/availability",
        "GET /api/tickets/states",
        "GET /api/bookings/{reference}/tickets/{file}",
        "GET /api/bookings/{reference}/calendar.ics",
        "GET /api/bookings/{reference}/tickets.pdf",
    ),
    "async": ("GET /api/tickets", "GET /api/tickets/best", "GET /api/bookings"),
}
UNCOVERED = """
[[operations]]
include-name = "{operation}"
phases.coverage.enabled = false
"""

MODES = {
    "inline": {"PAYMENT_SUCCESS_RATE": "0.7", "MAX_TICKETS_PER_BOOKING": "1000"},
    "async": {
        "PAYMENT_MODE": "async",
        "PAYMENT_SUCCESS_RATE": "0.7",
        "PSP_DELAY_MS": "20",
        "MAX_TICKETS_PER_BOOKING": "1000",
    },
}

UNLIMITED = {
    "MESSAGES_PER_HOUR": "0",
    "MESSAGE_REQUESTS_PER_MINUTE": "0",
    "PASSKEY_CHALLENGES_PER_MINUTE": "0",
    "SIGN_INS_PER_MINUTE": "0",
    "SIGN_INS_PER_ADDRESS_PER_MINUTE": "0",
    "SIGN_IN_WAIT_MS": "60000",
}
"""Settings without which valid requests for e-mails and sign-ins would get 429 or 503."""


@pytest.fixture(params=MODES)
def stack(request: pytest.FixtureRequest, server: EmbeddedServer) -> Iterator[Stack]:
    with running_system(server, BOOKING_PATH=BOOKING_PATH, **UNLIMITED, **MODES[request.param]) as stack:
        if request.param == "async":
            asyncio.run(stack.start_payment_simulator())
        # The audit reports an order without its e-mail after a minute, and a run may last longer.
        asyncio.run(stack.start_worker())
        yield stack


@pytest.mark.timeout(TIMEOUT_S + 60)  # The start of the system, and the report.
def test_responses_to_generated_requests_match_the_openapi_document(stack: Stack, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    elsewhere = COVERED_ONCE["inline" if stack.environment.get("PAYMENT_MODE") == "async" else "async"]
    config.write_text(CONFIG + "".join(UNCOVERED.format(operation=operation) for operation in elsewhere))
    result = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
            *(f"{stack.api_url}/schema/openapi.json", "--checks=all", "--continue-on-failure", "--no-color"),
            *(f"--seed={SEED}", "--generation-database=none"),
            *(f"--max-examples={EXAMPLES_MAX}", "--no-shrink", "--request-timeout=10"),
        ],
        cwd=tmp_path,
        env={**clean_environment(), "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "40 selected / 40 total" in result.stdout
    with psycopg.connect(stack.database_url) as connection:
        kinds = connection.execute("select distinct expires_at is null from orders").fetchall()
    assert kinds == [(stack.environment.get("PAYMENT_MODE") != "async",)], "no request came as far as a booking"
    assert audit(stack.database_url) == []
