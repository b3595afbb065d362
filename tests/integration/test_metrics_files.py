"""The files of metrics cannot break on a full disk, and hold no metric twice."""

import subprocess
import sys
from pathlib import Path

from api.process_environment import METRICS_DIR_VARIABLE
from api.prometheus_patch import FILE_BYTES
from tests.stack import ROOT, clean_environment

RENDER = """
import os, pathlib
from api import health_schemas, metrics
system = health_schemas.SystemHealth(
    status="ok", problems=[], worker_age_seconds=1.0, workers=[], overdue_holds=0, failed_refunds=0,
    undecided_disputes=0, lost_disputes=0,
    mail=health_schemas.MailHealth(0.0, 0.0, 0), jobs=[], cancellations=[], standbys=[], missing_migrations=[],
)
metrics.count_response("GET", "/", 503)
metrics.flush()
metrics.render_metrics(system)
directory = pathlib.Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "/none"))
for path in sorted(directory.glob("*")):
    status = path.stat()
    print(path.name.rpartition("_")[0], status.st_size, status.st_blocks * 512 >= status.st_size)
print(metrics.render_metrics(system).decode())
"""
FORK = f"""
import os, resource, sys
from api import metrics
if "without space" in sys.argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
{RENDER}
"""


def render(directory: Path, program: str = RENDER, *arguments: str) -> str:
    """Count a response in a process of its own, and render the metrics twice; return its files and the second text."""
    environment = {**clean_environment(), METRICS_DIR_VARIABLE: str(directory)}
    command = [sys.executable, "-c", program, *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return result.stdout


def test_the_files_of_a_process_are_allocated_completely(tmp_path: Path) -> None:
    lines = render(tmp_path).splitlines()
    assert lines[:2] == [f"counter {FILE_BYTES} True", f"histogram {FILE_BYTES} True"]
    assert not lines[2].startswith("gauge")


def test_the_metrics_of_the_system_appear_once(tmp_path: Path) -> None:
    text = render(tmp_path)
    assert [line for line in text.splitlines() if line.startswith("worker_age_seconds")] == ["worker_age_seconds 1.0"]
    assert text.count("# TYPE worker_age_seconds gauge") == 1


def test_a_process_without_space_keeps_its_metrics_in_memory(tmp_path: Path) -> None:
    text = render(tmp_path / "missing")
    assert 'http_requests_total{method="GET",route="/",status="503"} 1.0' in text


def test_the_files_of_a_forked_process_are_allocated_completely(tmp_path: Path) -> None:
    lines = render(tmp_path, FORK).splitlines()
    assert lines[:4] == [f"counter {FILE_BYTES} True"] * 2 + [f"histogram {FILE_BYTES} True"] * 2
    assert 'http_requests_total{method="GET",route="/",status="503"} 1.0' in lines


def test_a_forked_process_without_space_keeps_its_metrics_in_memory(tmp_path: Path) -> None:
    text = render(tmp_path, FORK, "without space")
    assert 'http_requests_total{method="GET",route="/",status="503"} 1.0' in text
    assert sorted(path.name.partition("_")[0] for path in tmp_path.iterdir()) == ["counter", "histogram"]
