"""The documentation names only paths, make targets, settings, statements and texts that exist."""

import ast
import json
import re

import msgspec
import pytest

from api.config import Settings
from api.database import queries
from tests.stack import ROOT

PAGES = [
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "[a-z]*/*.md", ".github/*.md")
    for path in sorted(ROOT.glob(pattern))
]
FOLDERS = ("api/", "sql/", "tests/", "webapp/", "assets/", ".github/")
SOURCES = (".py", ".sql", ".js", ".md", ".json", ".yml")
EXAMPLES = {"tests/integration/services/test_first.py"}
"""Files that a page instructs its reader to create."""

_CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_TARGET = re.compile(r"\bmake ([a-z]+)")
_TEXT_KEY = re.compile(r"[a-z_]+(?:\.[a-z0-9_]+)+")
_SETTING = re.compile(r"[A-Z][A-Z0-9_]+")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code_in(text: str) -> list[str]:
    """Return the content of code blocks and of text in backticks."""
    return [block or inline for block, inline in _CODE.findall(text)]


def paths_in(text: str) -> set[str]:
    """Return the parts of code that are paths: below a folder of the project, or with the suffix of a source."""
    words = {word.rstrip(".:,") for code in code_in(text) for word in re.split(r"[\s\"'=()\[\]*|]+", code)}
    return {word for word in words if word[:1] != "/" and (word.startswith(FOLDERS) or word.endswith(SOURCES))}


def missing_paths(page: str, text: str) -> set[str]:
    """Return the paths and links that exist neither in the project's folder nor beside the page."""
    here = (ROOT / page).parent
    generated = {path for path in paths_in(text) if path.startswith(".") and not path.startswith(".github/")}
    paths = paths_in(text) - generated - EXAMPLES
    missing = {path for path in paths if not ((ROOT / path).exists() or (here / path).exists())}
    return missing | {link for link in _LINK.findall(text) if not (here / link).exists()}


def unknown_targets(text: str) -> set[str]:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    return {target for code in code_in(text) for target in _TARGET.findall(code)} - targets


def unknown_statements(text: str) -> set[str]:
    nouns = {noun.name.partition(".")[0] for nouns in queries.NOUNS for noun in nouns}
    known = {query.name for noun in queries.NOUNS for query in noun}
    words = {word for code in code_in(text) for word in re.findall(r"^(\w+\.\w+)$", code)}
    return {word for word in words if word.partition(".")[0] in nouns and not word.endswith(SOURCES)} - known


def unknown_texts(text: str) -> set[str]:
    """Return the words in code that look like keys of texts, and are neither keys, files nor names in a module."""
    keys = set(json.loads(read("webapp/strings/en.json")))
    modules = {path.stem for path in (ROOT / "webapp").glob("*.py")}
    words = {word for code in code_in(text) if _TEXT_KEY.fullmatch(word := code.strip())}
    files = {word for word in words if (ROOT / word).exists() or (ROOT / "webapp" / word).exists()}
    return {word for word in words - files if word.partition(".")[0] not in modules} - keys


def documented_settings(page: str, heading: str) -> set[str]:
    """Return the variables in the first column of the tables below a heading."""
    rows = re.findall(r"^\|(.*?)\|", read(page).partition(f"\n## {heading}\n")[2], re.MULTILINE)
    return {name for row in rows for name in re.findall(rf"`({_SETTING.pattern})`", row)}


def documented_defaults(page: str, heading: str) -> dict[str, str]:
    """Return the default of each variable in the tables below a heading; one literal may stand for a whole row."""
    rows = re.findall(r"^\|(.*?)\|(.*?)\|", read(page).partition(f"\n## {heading}\n")[2], re.MULTILINE)
    defaults: dict[str, str] = {}
    for first, second in rows:
        names, values = re.findall(rf"`({_SETTING.pattern})`", first), re.findall(r"`([^`]+)`", second)
        defaults |= zip(names, values * len(names) if len(values) == 1 else values, strict=False)
    return defaults


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_paths_targets_and_statements_that_exist(page: str) -> None:
    text = read(page)
    assert missing_paths(page, text) == set()
    assert unknown_targets(text) == set()
    assert unknown_statements(text) == set()


def test_missing_names_are_found() -> None:
    text = "`api/none.py` [link](none.md) `make nothing` `tickets.find_nothing`\n```sh\nmake none T=tests/none\n```"
    assert missing_paths("README.md", text) == {"api/none.py", "tests/none", "none.md"}
    assert unknown_targets(text) == {"nothing", "none"}
    assert unknown_statements(text) == {"tickets.find_nothing"}


def test_every_setting_is_documented() -> None:
    settings = {field.name.upper() for field in msgspec.structs.fields(Settings)}
    assert documented_settings("api/README.md", "Settings") == settings


def test_every_default_is_documented() -> None:
    defaults = {field.name.upper(): field.default for field in msgspec.structs.fields(Settings)}
    literal = {name: str(value) for name, value in defaults.items() if value not in ("", None)}
    # The number of cores differs between machines.
    del literal["API_WORKERS"]
    documented = documented_defaults("api/README.md", "Settings")
    assert {name: documented[name] for name in literal} == {
        name: value.removesuffix(".0") for name, value in literal.items()
    }


def test_every_setting_of_the_web_app_is_documented() -> None:
    nodes = ast.walk(ast.parse(read("webapp/settings.py")))
    literals = [node.value for node in nodes if isinstance(node, ast.Constant)]
    settings = {text for text in literals if isinstance(text, str) and _SETTING.fullmatch(text)}
    assert documented_settings("webapp/README.md", "The site's files") == settings


def test_the_web_app_s_page_names_only_texts_that_exist() -> None:
    assert unknown_texts(read("webapp/README.md")) == set()
    assert unknown_texts("`checkout.none` `away.title` `rxconfig.py` `reflex_patch.apply`") == {"checkout.none"}


def test_the_api_s_page_names_every_module_at_the_top() -> None:
    modules = {path.name for path in (ROOT / "api").glob("*.py")} - {"__init__.py"}
    packages = {f"{path.parent.name}/" for path in (ROOT / "api").glob("*/__init__.py")}
    assert (modules | packages) - paths_in(read("api/README.md")) - set(code_in(read("api/README.md"))) == set()


def test_the_web_app_s_page_names_every_module_of_the_browser() -> None:
    webapp = ROOT / "webapp"
    modules = {path.relative_to(webapp).as_posix() for path in webapp.glob("js/**/*.js")}
    assert modules - paths_in(read("webapp/README.md")) == set()


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) <= 200
