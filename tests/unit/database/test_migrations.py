"""Migrations: their order, the missing ones, and refused databases."""

import hashlib
import re
from pathlib import Path

import pytest

from api.database.migrations import Migration, load, missing
from api.errors import SetupError


def migration(name: str, sha256: str = "a") -> Migration:
    return Migration(name=name, sql="", sha256=sha256)


FILES = [migration("0001_first"), migration("0002_second"), migration("0003_third")]


def test_files_are_loaded_by_name_with_their_checksum(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql", "0010_c.sql"):
        (tmp_path / name).write_text(f"-- {name} é", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a migration")
    loaded = load(tmp_path)
    assert [m.name for m in loaded] == ["0001_a", "0002_b", "0010_c"]
    assert loaded[0].sql == "-- 0001_a.sql é"
    assert loaded[0].sha256 == hashlib.sha256((tmp_path / "0001_a.sql").read_bytes()).hexdigest()


def test_this_systems_migrations_have_numbers_of_their_own() -> None:
    names = [m.name for m in load()]
    assert len({name[:5] for name in names}) == len(names) > 0
    assert all(re.fullmatch(r"\d{4}(_[a-z0-9]+)+", name) for name in names)


@pytest.mark.parametrize(
    ("applied", "left"),
    [
        ([], ["0001_first", "0002_second", "0003_third"]),
        (["0001_first"], ["0002_second", "0003_third"]),
        (["0001_first", "0003_third"], ["0002_second"]),
        (["0001_first", "0002_second", "0003_third"], []),
    ],
)
def test_unrecorded_migrations_are_missing(applied: list[str], left: list[str]) -> None:
    assert [m.name for m in missing(FILES, dict.fromkeys(applied, "a"))] == left


def test_a_file_that_was_edited_after_it_was_applied_is_refused() -> None:
    with pytest.raises(SetupError, match="0002_second was edited after it was applied"):
        missing(FILES, {"0001_first": "a", "0002_second": "b"})


def test_a_database_of_a_newer_version_is_refused() -> None:
    with pytest.raises(SetupError, match=r"0004_fourth, 0005_fifth.*newer version"):
        missing(FILES, {"0001_first": "a", "0005_fifth": "a", "0004_fourth": "a"})
