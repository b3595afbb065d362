"""The web app and the API communicate only over HTTP."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _imported(package: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path, node.module or ""


@pytest.mark.parametrize(("package", "other"), [("webapp", "api"), ("api", "webapp")])
def test_neither_imports_the_other(package: str, other: str) -> None:
    imported = list(_imported(package))
    assert imported
    assert [(str(path), name) for path, name in imported if name.partition(".")[0] == other] == []


def test_the_web_app_sends_no_request_from_python() -> None:
    clients = {"httpx", "urllib3", "aiohttp", "requests", "http.client", "urllib.request"}
    assert [path for path, name in _imported("webapp") if clients & {name, name.partition(".")[0]}] == []


def test_the_web_server_runs_without_reflex() -> None:
    code = "import sys, webapp.__main__; print('reflex' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_lock_names_no_registry() -> None:
    lock = (ROOT / "reflex.lock" / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
    assert "registry" not in lock
