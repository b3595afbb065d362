"""Negative controls: the API's source without some of its protections."""

import shutil
from pathlib import Path
from typing import NamedTuple

from tests.stack import ROOT


class Removal(NamedTuple):
    """Python statements that remove a protection at the end of a module."""

    module: str
    statements: str


ROUND_TRIP_LIMIT = Removal("api/database/connection.py", "del Connection.wait")
"""psycopg then waits for ever, and cancels the statement of a cancelled task, even a COMMIT."""
STANDBY_WARNING = Removal("api/database/connection.py", "Connection._note = lambda *_: None")
"""A commit then counts as durable although the standby may lack it."""
REPLICATED_READ = Removal(
    "api/database/replication.py",
    "async def run_replicated(session, statement, order_ids=None):\n    return await session.run(statement)",
)
"""A response about an order then does not wait for the standby."""
DURABLE_COMMIT = Removal("api/database/pool.py", 'REQUIRED_SETTINGS["synchronous_commit"] = "off"')
"""The server then reports a commit before it writes the commit to disk."""
FENCE = Removal("api/database/timeline.py", "Timelines.admit = lambda *_: None\nTimelines.is_current = lambda *_: True")
"""The API then accepts a former primary."""


def source_without(directory: Path, *removals: Removal) -> Path:
    """Copy the API and its SQL without some protections; return the copy."""
    source = directory / "source"
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for module, statements in removals:
        with (source / module).open("a", encoding="utf-8") as file:
            file.write(f"\n\n{statements}\n")
    return source
