"""Finds comments that start with a clause used as a noun, such as "What waits" or "Whether it runs".

Docstrings, the descriptions of JSDoc tags and the sentences of Markdown pages are comments as well.

`python -m tests.english` prints each place and exits with 1 if there is one. `make lint` runs it.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

CHECKED = ("*.py", "*.sql", "*.js", "*.ts", "*.css", "*.conf", "*.yml", "*.toml", "*.md", "Makefile")
"""Patterns of the checked files."""

IMMUTABLE = {
    "sql/migrations/0001_booking.sql",
    "sql/migrations/0002_asynchronous_payment.sql",
    "sql/migrations/0003_event_pages.sql",
}
"""Applied migrations from before this check. Their SHA-256 is compared, so their comments cannot change."""

_NOUN_CLAUSE = re.compile(r"(what|who|whose|of|those|whether|how many)\b", re.IGNORECASE)
_SQL_STRING = re.compile(r"^comment on [^']* is '(.*)'", re.IGNORECASE | re.MULTILINE)
_BLOCK = re.compile(r"/\*[\s*]*(.*?)\*/", re.DOTALL)
_JSDOC_TYPE = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_JSDOC_NAME = r"(?:\[[^\]\n]*\]|[^\s\[]+)"
_JSDOC_TAG = re.compile(
    rf"@(?:returns {_JSDOC_TYPE}|(?:param|property|typedef) {_JSDOC_TYPE} {_JSDOC_NAME}) +(?:- +)?([^\n]*)"
)
"""A tag with a description, which is the group. A name in brackets is optional. A hyphen may precede the text."""
_FENCED_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_SENTENCE = re.compile(r"(?:\A|\n\n|[.!?]\s|^[ ]*(?:[-*#>]+|\d+\.)[ ])(?=(\w[^\n]*))", re.MULTILINE)
"""The start of a paragraph, a sentence, a list item, a heading or a quotation, up to the end of its line."""


class Comment(NamedTuple):
    """A comment or docstring with the number of its first line."""

    line: int
    text: str
    after_code: bool = False


def comments_of(path: str, source: str) -> Iterator[Comment]:
    """Yield the comments and docstrings of a source. Adjacent lines are one comment."""
    match Path(path).suffix or Path(path).name:
        case ".py":
            yield from _blocks(_python_comments(source))
            yield from _docstrings(source)
        case ".sql":
            yield from _blocks(_line_comments(source, "--"))
            yield from _matches(_SQL_STRING, source)
        case ".js" | ".ts":
            yield from _blocks(_line_comments(source, "//"))
            yield from _matches(_BLOCK, source)
            yield from _matches(_JSDOC_TAG, source)
        case ".css":
            yield from _matches(_BLOCK, source)
        case ".conf" | ".yml" | ".toml" | "Makefile":
            yield from _blocks(_line_comments(source, "#"))
        case ".md":
            prose = _FENCED_CODE.sub(lambda code: "\n" * code[0].count("\n"), source)
            yield from _matches(_SENTENCE, prose)


def _python_comments(source: str) -> Iterator[Comment]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Comment(token.start[0], token.string.lstrip("#").strip(), bool(token.line[: token.start[1]].strip()))


def _docstrings(source: str) -> Iterator[Comment]:
    """Yield every string that is a statement: docstrings, and the descriptions of attributes and constants."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Comment(node.lineno, node.value.value.strip())


def _line_comments(source: str, marker: str) -> Iterator[Comment]:
    comment = re.compile(rf"(?:^|\s){marker}+\s*(.*)")
    for number, line in enumerate(source.splitlines(), start=1):
        if found := comment.search(line):
            yield Comment(number, found[1], bool(line[: found.start()].strip()))


def _blocks(comments: Iterator[Comment]) -> Iterator[Comment]:
    """Yield the first line of each paragraph of adjacent comments. The name of a statement is a paragraph."""
    last_of_block = -1
    for comment in comments:
        if comment.after_code or comment.line != last_of_block + 1:
            yield comment
        is_separator = comment.after_code or not comment.text or comment.text.startswith("name: ")
        last_of_block = -1 if is_separator else comment.line


def _matches(pattern: re.Pattern[str], source: str) -> Iterator[Comment]:
    """Yield the first group of each match."""
    for match in pattern.finditer(source):
        yield Comment(source.count("\n", 0, match.start(1)) + 1, match[1])


def violations(path: str, source: str) -> list[str]:
    """Return a description of each comment that starts with a clause used as a noun."""
    return [
        f"{path}:{comment.line}: {comment.text.splitlines()[0]}"
        for comment in comments_of(path, source)
        if _NOUN_CLAUSE.match(comment.text)
    ]


def main() -> int:
    """Check every tracked file; return 1 if there is a violation."""
    listed = subprocess.run(["git", "ls-files", "-z", *CHECKED], cwd=ROOT, check=True, capture_output=True, text=True)
    paths = [path for path in listed.stdout.split("\0") if path and path not in IMMUTABLE and (ROOT / path).exists()]
    found = [each for path in paths for each in violations(path, (ROOT / path).read_text(encoding="utf-8"))]
    sys.stdout.write("".join(f"{each}\n" for each in found))
    sys.stdout.write(f"{len(found)} comments in {len(paths)} files start with a clause used as a noun.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
