"""The comparison with another revision: its arithmetic, its text and its refusals."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.__main__ import main
from api.commands.bench import comparison, report, revisions
from api.commands.bench.plan import KindResult, LoadResult
from api.commands.bench.report import Comparison, PairedRow, Side
from api.errors import SetupError


def side(*values: float, waiting_max: int = 0) -> Side:
    return Side(values=list(values), errors=0, waiting_max=waiting_max, cpu_us={"API": 90.4, "others": 7.0})


def row(ratios: Sequence[float], present: Side, other: Side) -> PairedRow:
    return PairedRow(what="reads", connections=8, unit="per s", present=present, other=other, ratios=list(ratios))


def booked(tickets: int, unknown: int) -> LoadResult:
    kind = KindResult(
        name="bookings",
        due=0,
        per_s=0.0,
        latency_ms=None,
        outcomes={},
        errors=0,
        orders_acknowledged=tickets,
        tickets_acknowledged=tickets,
        unknown=unknown,
    )
    return LoadResult(seconds=1, kinds=[kind], cpu_share=0.1)


def test_the_text_shows_the_median_ratio_with_its_spread() -> None:
    rows = [row([2.0, 2.5, 1.5], side(3_000, 3_500, 2_500), side(1_500, 1_400, 1_667))]
    shown = report.comparison_text(Comparison(present="abc", other="0" * 40, rows=rows, violations=[]))
    assert "medians of 3 pairs" in shown
    assert "3,000" in shown
    assert "2.00  1.50 to 2.50" in shown
    assert "API 90" in shown
    assert "all invariants hold" in shown


def test_the_text_reports_violations_and_a_system_that_fell_behind() -> None:
    rows = [row([1.0], side(5), side(5, waiting_max=1_200))]
    shown = report.comparison_text(Comparison(present="abc", other="0" * 40, rows=rows, violations=["other: wrong"]))
    assert "the other revision fell behind: up to 1,200 due requests" in shown
    assert "the present tree fell behind" not in shown
    assert "VIOLATION\nother: wrong" in shown


@pytest.mark.parametrize(("sold", "violations"), [(9, 1), (10, 0), (12, 0), (13, 1)])
def test_every_acknowledged_ticket_is_sold_and_no_impossible_one(sold: int, violations: int) -> None:
    acknowledged = comparison.Acknowledged()
    acknowledged.add("event", [booked(tickets=4, unknown=1), booked(tickets=6, unknown=0)])
    system = SimpleNamespace(tickets_sold=lambda _: sold)
    assert len(list(acknowledged.violations(system))) == violations  # type: ignore[arg-type]


@pytest.mark.parametrize("revision", ["no-such-revision", "--help", ""])
def test_an_unknown_revision_is_refused(revision: str) -> None:
    with pytest.raises(SetupError, match="is no revision of this repository"):
        revisions.find_commit(revision)


def test_a_folder_without_a_repository_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(revisions, "ROOT", tmp_path)
    with pytest.raises(SetupError, match="git repository"):
        revisions.find_commit("HEAD")


def test_a_checkout_has_the_files_of_its_commit_and_the_present_dependencies(tmp_path: Path) -> None:
    commit = revisions.find_commit("HEAD")
    assert len(commit) == 40
    build = revisions.check_out(commit, tmp_path)
    assert (build.directory / "api" / "__main__.py").is_file()
    assert build.python == Path(sys.executable)


@pytest.mark.parametrize(
    ("program", "reason"),
    [("print('lost'); raise SystemExit(3)", "exit code 3:\nlost"), ("import time; time.sleep(60)", "took longer")],
)
def test_a_command_that_fails_is_reported(program: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        revisions.run_command([sys.executable, "-c", program], tmp_path, timeout_s=0.2 if "sleep" in program else 60)
    assert reason in str(error.value)


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no-such-program is missing"):
        revisions.run_command(["no-such-program"], tmp_path, timeout_s=1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--against", "HEAD", "--only", "claims,mix"], "--against compares ceiling, reads, mix, not claims."),
        (["--against", "no-such-revision"], "'no-such-revision' is no revision of this repository"),
    ],
)
def test_a_comparison_that_is_impossible_is_refused(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options]) == 1
    assert reason in capsys.readouterr().err
