"""The SQL files: each statement is loaded, safe for psycopg, and used."""

import re
from pathlib import Path

import pytest

from api.database import queries
from api.database.queries import NOUNS, SQL_DIR, Noun, Query

STATEMENTS = [query for noun in NOUNS for query in noun]
API = Path(queries.__file__).parents[1]
SOURCES = {path: path.read_text() for path in API.rglob("*.py")}
USES = {
    (noun, verb_noun)
    for source in SOURCES.values()
    for noun, verb_noun in re.findall(r"\bqueries\.([a-z_]+)\.([a-z_]+)\b", source)
}

each_statement = pytest.mark.parametrize("query", STATEMENTS, ids=lambda query: query.name)


def loaded(tmp_path: Path, text: str) -> Noun:
    path = tmp_path / "shows.sql"
    path.write_text(text)
    return Noun(path)


def test_every_file_is_loaded_under_its_name() -> None:
    files = {path.stem for path in (SQL_DIR / "queries").glob("*.sql")}
    attributes = {name: value for name, value in vars(queries).items() if isinstance(value, Noun)}
    assert attributes.keys() == files
    assert set(NOUNS) == set(attributes.values())
    for name, noun in attributes.items():
        assert {query.name.partition(".")[0] for query in noun} == {name}


def test_every_header_gives_one_statement() -> None:
    headers = [
        f"{path.stem}.{name}"
        for path in (SQL_DIR / "queries").glob("*.sql")
        for name in re.findall(r"^\s*--\s*name\s*:\s*(\S+)", path.read_text(), re.MULTILINE)
    ]
    assert sorted(headers) == sorted(query.name for query in STATEMENTS)


@each_statement
def test_a_statement_contains_no_comment_except_its_name(query: Query) -> None:
    comment, statement = query.sql.split(" */ ", 1)
    assert comment == f"/* {query.name}"
    assert "--" not in statement
    assert "/*" not in statement
    assert ";" not in statement  # psycopg refuses several statements with parameters


@each_statement
def test_a_percent_sign_of_a_statement_with_parameters_is_escaped(query: Query) -> None:
    rest, parameters = re.subn(r"%\(\w+\)s", "", query.sql)
    if parameters:
        assert "%" not in rest.replace("%%", "")
    else:
        assert "%%" not in rest  # psycopg does not unescape a statement without parameters.


@each_statement
def test_a_statement_is_used(query: Query) -> None:
    noun, _, verb_noun = query.name.partition(".")
    assert (noun, verb_noun) in USES


def test_every_used_statement_exists() -> None:
    assert {f"{noun}.{verb_noun}" for noun, verb_noun in USES} <= {query.name for query in STATEMENTS}


def test_a_header_becomes_the_doc_of_its_statement(tmp_path: Path) -> None:
    noun = loaded(
        tmp_path,
        "-- name: find_shows\n-- List 50% of the shows.\n-- Locks: none.\nselect id\n-- by %(name)s\nfrom shows;\n\n"
        "-- name: drop_shows\ndelete from shows;\n",
    )
    assert noun.find_shows.name == "shows.find_shows"
    assert noun.find_shows.sql == "/* shows.find_shows */ select id\nfrom shows"
    assert noun.find_shows.doc.startswith("List 50% of the shows.\nLocks: none.")
    assert (noun.drop_shows.sql, noun.drop_shows.doc) == ("/* shows.drop_shows */ delete from shows", "")
    assert [query.name for query in noun] == ["shows.find_shows", "shows.drop_shows"]


def test_a_misspelt_name_is_refused_with_the_existing_names(tmp_path: Path) -> None:
    noun = loaded(tmp_path, "-- name: find_shows\nselect 1;\n")
    with pytest.raises(AttributeError, match=r"find_show; there are \['find_shows'\]"):
        _ = noun.find_show
