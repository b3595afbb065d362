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
FUNCTION_LINES_MAX = 65
"""The most lines of a function of the API and the web app."""
GENERATED = {ROOT / "sql" / "schema.sql"}
TOOLS = ROOT / "tests" / "webapp" / "tools"
TEST_NAME_LENGTH_MAX = 80
PUBLIC = {"_exit", "_replace", "_asdict"}
"""Documented names of the standard library that begin with an underscore."""
PRIVATE_MODULE = re.compile(r"\w+(\.\w+)*\._[a-z]\w*")
PRIVATE_IN_BROWSERS = re.compile(r"\b__[A-Za-z]\w*|\._[A-Za-z]\w*")
"""Names that packages for browsers keep for themselves: globals like `__name`, and members like `._name`."""


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


def names_defined_in(tree: ast.AST) -> set[str]:
    """Return the names that a module gives to functions, classes, variables and attributes of its own objects."""
    nodes = list(ast.walk(tree))
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    named = {node.name for node in nodes if isinstance(node, definitions)}
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    attributes = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    return named | stored | attributes


def private_names_in(tree: ast.AST) -> set[str]:
    """Return the private names that a module reads from objects, imports or names in a text."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                found.add(name)
            case ast.ImportFrom(module=module, names=aliases):
                found |= {*(module or "").split("."), *(alias.name for alias in aliases)}
            case ast.Import(names=aliases):
                found |= {part for alias in aliases for part in alias.name.split(".")}
            case ast.Constant(value=str(text)) if PRIVATE_MODULE.fullmatch(text):
                found |= set(text.split("."))
    return {name for name in found if re.match(r"_[a-z]", name)} - PUBLIC


def test_private_interfaces_of_packages_are_used_in_patch_modules_only() -> None:
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for folder in (API, ROOT / "webapp")
        for path in sources(folder)
    }
    own = set().union(*map(names_defined_in, trees.values()))
    used = {path: names - own for path, tree in trees.items() if (names := private_names_in(tree))}
    foreign = {path.relative_to(ROOT).as_posix(): names for path, names in used.items() if names}
    assert {path: names for path, names in foreign.items() if not path.endswith("_patch.py")} == {}
    assert len(foreign) >= 3, "the search finds none in the patch modules"


def test_a_private_interface_is_found() -> None:
    code = (
        "from reflex._upload import Upload\nimport granian._loop\nsys.modules['httpx._main'] = manager._purge(os._exit)"
    )
    assert private_names_in(ast.parse(code)) == {"_upload", "_loop", "_main", "_purge"}


def test_private_interfaces_of_browser_packages_are_used_in_patch_modules_only() -> None:
    modules = (ROOT / "webapp" / "js").rglob("*.js")
    private = {path.name: names for path in modules if (names := PRIVATE_IN_BROWSERS.findall(path.read_text("utf-8")))}
    assert private == {"react_router_patch.js": ["__reactRouterManifest"]}
    assert PRIVATE_IN_BROWSERS.findall("window.__next.f; store._listeners; private_name") == ["__next", "._listeners"]


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


def test_no_function_is_too_long() -> None:
    functions = [
        (f"{path.relative_to(ROOT).as_posix()}: {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for folder in (API, ROOT / "webapp")
        for path in sources(folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert functions
    assert {name: lines for name, lines in functions if lines > FUNCTION_LINES_MAX} == {}


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
