"""The web app and the API know each other only over HTTP."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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


def test_only_the_client_speaks_http() -> None:
    speakers = {"httpx", "urllib3", "aiohttp", "requests", "http.client", "urllib.request"}
    using_http = {path.name for path, name in _imported("webapp") if speakers & {name, name.partition(".")[0]}}
    assert using_http == {"client.py"}


def test_the_lock_names_no_registry() -> None:
    lock = (ROOT / "reflex.lock" / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
    assert "registry" not in lock
