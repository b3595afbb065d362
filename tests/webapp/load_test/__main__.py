"""Load test: 10,000 browsers load the event's page and poll as the page does, while some of them book.

`python -m tests.webapp.load_test` starts its own system and simulates the browsers in a few processes. Each browser
requests the page's files, then polls the counts and the seat states over its own connection. Bookings start at a steady
rate, even if earlier bookings are unfinished. The command prints the response times and the servers' memory and
processor time. It fails if an acknowledged booking is not in the database or a request failed.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

from api.commands.seed import parse_inventory, seed
from api.database.migrations import migrate
from tests.stack import ROOT, Stack, embedded_server, empty_database, temporary_directory
from tests.webapp.load_test.measuring import measure, say
from tests.webapp.load_test.plan import Plan
from tests.webapp.load_test.report import failures, table

BROWSERS_MAX = 15_000
SECONDS_MAX = 600
RATE_MAX = 1_000
SPARE_FILES = 500
RESULT = ROOT / ".test-artifacts" / "load_test.json"


async def run(plan: Plan) -> dict[str, Any]:
    """Start a system with enough tickets, measure, stop it."""
    with embedded_server() as server, empty_database(server) as url, temporary_directory() as directory:
        migrate(url)
        seed(url, inventory=parse_inventory(f"VIP=100,Front Row=200,GA={plan.browsers + 1000}"))
        stack = Stack(url, directory, {"API_WORKERS": str(os.cpu_count() or 1), "PAYMENT_SUCCESS_RATE": "1"})
        try:
            await stack.start_api()
            await stack.start_web()
            return await measure(plan, stack)
        finally:
            await stack.stop()


def _raise_file_limit(plan: Plan) -> None:
    """Allow this process and its children, the servers included, as many connections as the plan needs."""
    needed = plan.browsers + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"{needed} open files are needed, and {hard} are allowed: choose fewer --browsers.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


def _plan(arguments: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="make crowd", description=__doc__, allow_abbrev=False)
    parser.add_argument("--browsers", type=int, default=10_000, help=f"at most {BROWSERS_MAX}")
    parser.add_argument("--seconds", type=int, default=40, help=f"duration of the bookings, at most {SECONDS_MAX}")
    parser.add_argument("--rate", type=float, default=100, help=f"bookings per second, at most {RATE_MAX}")
    parser.add_argument("--arrivals", type=float, default=100, help="browsers that arrive per second")
    parser.add_argument("--processes", type=int, default=2, help="processes that simulate the browsers")
    chosen = parser.parse_args(arguments)
    limits = {"browsers": BROWSERS_MAX, "seconds": SECONDS_MAX, "rate": RATE_MAX, "arrivals": 1000, "processes": 16}
    for name, most in limits.items():
        if not 0 < getattr(chosen, name) <= most:
            parser.error(f"--{name} must be more than 0 and at most {most}")
    return Plan(chosen.browsers, chosen.seconds, chosen.rate, chosen.arrivals, chosen.processes)


def main(arguments: Sequence[str]) -> int:
    """Run the load test; return 0 if each booking was acknowledged and stored, and no request failed."""
    plan = _plan(arguments)
    _raise_file_limit(plan)
    result = asyncio.run(run(plan))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2), encoding="utf-8")
    for line in table(result):
        say(line)
    wrong = failures(result)
    for line in wrong:
        say(f"WRONG: {line}")
    if wrong:
        say(result["log"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
