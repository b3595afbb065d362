"""Negative controls: the system with weaker variants of some statements."""

import re
import shutil
from pathlib import Path

from tests.stack import ROOT

WEAK_SQL = Path(__file__).with_name("weak_sql")
_STATEMENT = re.compile(r"^-- name: (?P<name>\S+)\n.*?(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)

SLOW_COMMITS = """
    create function rest() returns trigger language plpgsql as $$ begin perform pg_sleep(%s); return null; end $$;
    create trigger rest before insert on orders for each statement execute function rest();
"""
"""Delays each transaction between claim and commit by a number of seconds, so that two processes' overlap."""


def weakened_source(directory: Path, *weaknesses: str) -> Path:
    """Copy the API and its SQL, with the statements of `weak_sql/<weakness>/` in place of the real ones."""
    source = directory / "weakened"
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for weakness in weaknesses:
        variants = list((WEAK_SQL / weakness).glob("*.sql"))
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
