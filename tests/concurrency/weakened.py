"""Negative controls: the system with weaker variants of some statements and functions.

A weakness concerns one path of the bookings. The other path keeps its layers, so that a test with a weakness also shows
that the system takes the weak path.
"""

import re
import shutil
from pathlib import Path
from typing import Literal

import psycopg

from tests.conftest import StartStack
from tests.stack import ROOT, Stack

WEAK_SQL = Path(__file__).with_name("weak_sql")
_STATEMENT = re.compile(r"^-- name: (?P<name>\S+)\n.*?(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)

SLOW_COMMITS = """
    create function rest() returns trigger language plpgsql as $$ begin perform pg_sleep(%s); return null; end $$;
    create trigger rest before insert on orders for each statement execute function rest();
"""
"""Delays each transaction between claim and commit by a number of seconds, so that two processes' overlap."""


BookingPath = Literal["direct", "careful"]
PATHS: tuple[BookingPath, ...] = ("direct", "careful")
ENVIRONMENTS: dict[BookingPath, dict[str, str]] = {
    "direct": {"BOOKING_PATH": "direct", "BOOKING_BATCH_MAX": "5"},
    "careful": {"BOOKING_PATH": "careful"},
}
"""The settings of a path. A direct sale leaves out a batch that exhausts a tier, so that its batches are small."""


async def start_weakened(
    start_stack: StartStack,
    directory: Path,
    path: BookingPath,
    *weaknesses: str,
    env: dict[str, str],
    processes: int = 2,
) -> Stack:
    """Start the system with weaknesses of one path."""
    source = weakened_source(directory, *weaknesses) if path == "careful" else ROOT
    stack = await start_stack(api_workers=processes, env=ENVIRONMENTS[path] | env, source=source)
    if path == "direct":
        with psycopg.connect(stack.database_url) as conn:
            for weakness in weaknesses:
                conn.execute((WEAK_SQL / weakness / "functions.sql").read_bytes())
    return stack


def weakened_source(directory: Path, *weaknesses: str) -> Path:
    """Copy the API and its SQL, with the statements of `weak_sql/<weakness>/` in place of the real ones."""
    source = directory / "weakened"
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for weakness in weaknesses:
        variants = [file for file in (WEAK_SQL / weakness).glob("*.sql") if file.name != "functions.sql"]
        assert variants, f"there is no weakness {weakness}"
        for variant in variants:
            _replace_statements(source / "sql" / "queries" / variant.name, variant.read_text(encoding="utf-8"))
    return source


def _replace_statements(path: Path, variants: str) -> None:
    text = path.read_text(encoding="utf-8")
    statements = {match["name"]: match[0] for match in _STATEMENT.finditer(text)}
    for match in _STATEMENT.finditer(variants):
        text = text.replace(statements[match["name"]], f"{match[0].rstrip()}\n\n")
    path.write_text(text, encoding="utf-8")
