"""The rules of events: the API's module and the pages' module decide alike."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec

from api.services.event_rules import has_begun, is_refundable, sale_state
from tests.event_cases import cases

ROOT = Path(__file__).parents[3]
NODE = Path(sys.executable).with_name("node")
DECIDE = """
    import { hasBegun, isRefundable, saleOf } from "./webapp/js/event_rules.js";
    const cases = JSON.parse(process.argv[1]);
    const decided = cases.map(({ now, ...event }) => [
        saleOf(event, Date.parse(now)), hasBegun(event, Date.parse(now)), isRefundable(event, Date.parse(now)),
    ]);
    console.log(JSON.stringify(decided));
"""


def test_pages_decide_as_the_api_does() -> None:
    events = cases(timedelta(milliseconds=1))
    shown = [
        {
            # An older response of the API knows a cancellation, and nothing that only time has changed.
            "state": "cancelled" if event.cancelled_at else "on_sale",
            "startsAt": event.starts_at,
            "salesStartAt": event.sales_start_at,
            "salesEndAt": event.sales_end_at,
            "now": event.read_at,
        }
        for event in events
    ]
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", DECIDE, msgspec.json.encode(shown)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    decided = [[sale_state(event), has_begun(event), is_refundable(event)] for event in events]
    assert msgspec.json.decode(done.stdout) == decided
    assert {sale for sale, *_ in decided} == {"on_sale", "upcoming", "ended", "cancelled"}
