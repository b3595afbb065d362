"""Rules of the code base that nothing else would notice being broken."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
API = ROOT / "api"
SQL = re.compile(
    r"\b(select\b.*\bfrom|insert\s+into|update\b.*\bset|delete\s+from|with\b.*\bas\s*\(|(create|alter|drop)\s+table)\b",
    re.IGNORECASE | re.DOTALL,
)


def sources(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"nothing to check in {folder}"
    return found


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module that are not documentation."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("api", ("webapp", "reflex", "tests")),
        ("api/services", ("api.routes", "api.app", "litestar")),
        ("api/routes", ("api.app", "tests")),
    ],
)
def test_imports_run_one_way(folder: str, forbidden: tuple[str, ...]) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(ROOT / folder)
        for name in imports(path)
        if any(name == ban or name.startswith(f"{ban}.") for ban in forbidden)
    }
    assert not wrong


@pytest.mark.parametrize("folder", ["api/routes", "api/services"])
def test_sql_stands_in_sql_files_only(folder: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in sources(ROOT / folder)
        for text in texts(path)
        if SQL.search(text)
    }
    assert not wrong


def test_the_rule_on_sql_knows_sql_from_prose() -> None:
    statements = ["select id\nfrom t", "SELECT 1 FROM t", "insert into t", "update t set x = 1", "delete from t"]
    assert all(SQL.search(statement) for statement in statements)
    assert not any(SQL.search(text) for text in ["Select a tier.", "tickets", "With great pleasure", "/api/bookings"])


def test_a_route_has_its_service_and_a_service_its_statements() -> None:
    nouns = {path.stem for path in (ROOT / "sql" / "queries").glob("*.sql")}
    for noun in ("tickets", "bookings"):
        assert (API / "routes" / f"{noun}.py").exists()
        assert (API / "services" / f"{noun}.py").exists() or (API / "services" / noun / "__init__.py").exists()
        assert noun in nouns
