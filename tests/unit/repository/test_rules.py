"""Rules for SQL, for the length of files and for the names of tests, which no linter checks."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
API = ROOT / "api"
SERVER_ADMINISTRATION = {API / "database" / "embedded.py", API / "database" / "roles.py"}
"""Modules that query the system catalogue of PostgreSQL, before any table exists."""
SQL = re.compile(
    r"\b(select\b.*\bfrom|insert\s+into|update\b.*\bset|delete\s+from|with\b.*\bas\s*\(|(create|alter|drop)\s+table)\b",
    re.IGNORECASE | re.DOTALL,
)


LINES_MAX = {".py": 450, ".sql": 450, ".js": 300}
"""The most lines of a file, by its suffix."""
GENERATED = {ROOT / "sql" / "schema.sql"}
TOOLS = ROOT / "tests" / "webapp" / "tools"
TEST_NAME_LENGTH_MAX = 80


def sources(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, f"no sources in {folder}"
    return found


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a module except its documentation."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def test_sql_is_in_sql_files_only() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in sources(API)
        if path not in SERVER_ADMINISTRATION
        for text in texts(path)
        if SQL.search(text)
    }
    assert not wrong


def test_sql_is_distinguished_from_prose() -> None:
    statements = ["select id\nfrom t", "SELECT 1 FROM t", "insert into t", "update t set x = 1", "delete from t"]
    assert all(SQL.search(statement) for statement in statements)
    assert not any(SQL.search(text) for text in ["Select a tier.", "tickets", "With great pleasure", "/api/bookings"])


def test_a_route_has_a_service_and_a_service_has_statements() -> None:
    nouns = {path.stem for path in (ROOT / "sql" / "queries").glob("*.sql")}
    for noun in ("tickets", "bookings"):
        assert (API / "routes" / f"{noun}.py").exists()
        assert (API / "services" / f"{noun}.py").exists() or (API / "services" / noun / "__init__.py").exists()
        assert noun in nouns


def test_no_file_is_too_long() -> None:
    files = [
        path
        for folder in ("api", "sql", "tests", "webapp")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in LINES_MAX and TOOLS not in path.parents and path not in GENERATED
    ]
    assert {path.suffix for path in files} == LINES_MAX.keys()
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > LINES_MAX[Path(name).suffix]} == {}


def test_no_name_of_a_test_is_too_long() -> None:
    names = [
        node.name
        for path in sources(ROOT / "tests")
        if TOOLS not in path.parents
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert names
    assert [name for name in names if len(name) > TEST_NAME_LENGTH_MAX] == []


def test_browser_tests_wait_outside_the_page() -> None:
    # The page's content security policy refuses the second evaluation of Playwright's own waiting function.
    call = ".wait_for" + "_function("
    assert [path.name for path in sources(ROOT / "tests") if call in path.read_text(encoding="utf-8")] == []
