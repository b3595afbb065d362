"""The public copy of PostgreSQL's programs."""

from pathlib import Path

import pytest

from api.database import programs

PACKAGE = "wheel"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(programs, "PUBLIC_PROGRAMS_DIR", tmp_path / "public")
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "program").touch()
    return package


def test_the_copy_of_a_faster_process_is_used(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def lose_race(partial: Path, copy: Path) -> Path:
        rename(partial, copy)
        raise OSError("Directory not empty")

    monkeypatch.setattr(Path, "rename", lose_race)
    assert (programs._public_copy(package) / "program").exists()


def test_a_failed_copy_is_reported_and_leaves_nothing(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_partial: Path, _copy: Path) -> Path:
        raise OSError("Permission denied")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Permission denied"):
        programs._public_copy(package)
    assert list(programs.PUBLIC_PROGRAMS_DIR.iterdir()) == []
