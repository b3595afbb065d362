"""`python -m api bench`: one command measures everything on throw-away servers and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import psycopg
import pytest

from api.__main__ import main
from api.commands.bench.command import Options, bench
from api.commands.bench.engine import Isolation
from api.commands.bench.report import Report
from api.commands.bench.sections import Bench
from api.commands.bench.sizes import QUICK
from api.commands.seed import DEFAULT_INVENTORY
from api.config import Settings
from tests.stack import (
    PATIENT,
    ROOT,
    STOP_TIMEOUT_S,
    clean_environment,
    eventually,
    processes_of,
    temporary_directory,
)

BENCH_TIMEOUT_S = 240.0


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The benchmark's directory for temporary files."""
    with temporary_directory() as directory:
        yield directory


def start_bench(temporary: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "api", "bench", "--quick", *options],
        cwd=ROOT,
        env={**clean_environment(), **PATIENT, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_all_results_are_printed_and_saved_and_the_audit_passes(temporary: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures" / "bench.json"
    with start_bench(temporary, "--out", str(out)) as process:
        shown, _ = process.communicate(timeout=BENCH_TIMEOUT_S)
    assert process.returncode == 0, shown

    report = msgspec.json.decode(out.read_bytes(), type=Report)
    assert [(row.what, row.connections) for row in report.ceiling] == [
        (what, connections) for what in ("1 standing ticket", "2 seats") for connections in QUICK.connections
    ]
    assert [row.connections for row in report.reads] == list(QUICK.connections)
    assert [row.what for row in report.fast_path] == [
        f"{what}, {path}" for what in ("reads", "bookings") for path in ("fast path", "framework")
    ]
    for row in (*report.ceiling, *report.reads, *report.fast_path):
        assert row.result.per_s > 0
        assert row.result.errors == 0, row.result.outcomes
        assert row.result.latency_ms
        assert 0 < row.generator_cpu_share <= 1.1
    assert report.mix
    assert [kind.due for kind in report.mix.load.kinds] == [450, 50]
    assert [kind.errors for kind in report.mix.load.kinds] == [0, 0], shown
    assert report.mix.load.lateness_ms
    assert [(row.isolation, row.clients) for row in report.reference] == [
        (isolation, clients) for isolation in get_args(Isolation) for clients in QUICK.clients
    ]
    assert all(row.ours_per_s and row.reference_per_s and not row.ours_errors for row in report.reference), shown
    assert report.claims
    assert list(report.claims.ms_per_batch) == list(QUICK.claims_tickets)
    assert len(report.claims.sell_down_per_s) == 10
    if sys.platform == "linux":
        assert report.memory.keys() == {"API", "worker", "PostgreSQL"}
        assert all(part.rss_mb >= part.pss_mb > 0 for part in report.memory.values())

    checked = report.checked
    assert checked
    assert checked.violations == []
    assert 0 < checked.orders_acknowledged == checked.orders_in_database
    assert checked.orders_acknowledged < checked.tickets_acknowledged == checked.tickets_in_database
    for words in ("1 standing ticket", "availability", "lateness", "reference per s", "1,000 tickets", "PostgreSQL"):
        assert words in shown
    assert list(temporary.iterdir()) == []


def test_two_revisions_are_compared_in_pairs(temporary: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    options = ("--against", "HEAD", "--only", "mix", "--runs", "1", "--seconds", "0.3")
    with start_bench(temporary, *options, "--out", str(out)) as process:
        shown, _ = process.communicate(timeout=BENCH_TIMEOUT_S)
    assert process.returncode == 0, shown

    comparison = msgspec.json.decode(out.read_bytes(), type=Report).comparison
    assert comparison
    assert comparison.violations == []
    assert len(comparison.other) == 40
    assert [(row.connections, row.unit) for row in comparison.rows] == [(QUICK.mix_connections, "p95 ms")] * 4
    for row in comparison.rows:
        assert (row.present.errors, row.other.errors) == (0, 0), shown
        assert len(row.present.values) == len(row.other.values) == len(row.ratios) == 1
        assert min(*row.present.values, *row.other.values) > 0
    assert "medians of 1 pairs" in shown
    assert not processes_of(temporary)
    assert list(temporary.iterdir()) == []


def test_a_stop_leaves_no_process_and_no_file(temporary: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    with start_bench(temporary, "--only", "mix", "--seconds", "60", "--out", str(out)) as process:
        assert eventually(
            lambda: any("api.commands.bench.load" in command for command in processes_of(temporary).values())
        )
        os.kill(process.pid, signal.SIGTERM)
        shown, _ = process.communicate(timeout=STOP_TIMEOUT_S)
    assert process.returncode == 130, shown
    assert "Traceback" not in shown
    assert eventually(lambda: not processes_of(temporary))
    assert list(temporary.iterdir()) == []
    assert not out.exists()


def test_a_violation_is_reported_and_ends_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def sell_without_booking(self: Bench) -> None:
        url = self._servers.new_database({"e": DEFAULT_INVENTORY})
        with psycopg.connect(url) as connection:
            connection.execute("update tickets set status = 'sold' where tier_id = 1 and position = 1")

    monkeypatch.setattr(Bench, "_claims", sell_without_booking)
    out = tmp_path / "bench.json"
    assert bench(Settings(), Options(only=("claims",), quick=True, out=out)) == 1
    report = msgspec.json.decode(out.read_bytes(), type=Report)
    assert report.checked
    assert "find_wrong_statuses" in report.checked.violations[0]
    assert "find_wrong_statuses" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--only", "ceiling,speed", "unknown section 'speed'"),
        ("--seconds", "0", "'0' is not a number above 0 and up to 60"),
        ("--seconds", "fast", "'fast' is not a number above 0 and up to 60"),
        ("--runs", "0", "'0' is not a whole number from 1 to 20"),
        ("--runs", "x", "'x' is not a whole number from 1 to 20"),
    ],
)
def test_a_bad_option_is_refused(option: str, value: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", option, value])
    assert reason in capsys.readouterr().err
