"""The buyers' pages send no request from Python, their server runs without Reflex, and the lock names no registry."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
STAFF = ROOT / "webapp" / "staff"


def _imported() -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / "webapp").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield path, node.module or ""


def test_the_buyers_pages_send_no_request_from_python() -> None:
    clients = {"httpx", "urllib3", "aiohttp", "requests", "http.client", "urllib.request"}
    imported = list(_imported())
    assert imported
    found = [path for path, name in imported if clients & {name, name.partition(".")[0]}]
    assert [path for path in found if STAFF not in path.parents] == []


def test_the_web_server_runs_without_reflex() -> None:
    code = "import sys, webapp.__main__; print('reflex' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_lock_names_no_registry() -> None:
    lock = (ROOT / "reflex.lock" / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
    assert "registry" not in lock
