"""The string files are complete, and every language has the same texts with the same values."""

import json
import re
from pathlib import Path

import pytest

from tests.webapp.words import pattern, words
from webapp.components.language import LANGUAGES, STRINGS, arguments, say

ROOT = Path(__file__).parents[3]
WEBAPP = ROOT / "webapp"
BROWSER_TESTS = ROOT / "tests" / "webapp"
_USED = re.compile(r'\b(?:say|in_english|in_every_language)\(\s*"([^"]+)"')
_LITERAL = re.compile(r'"([a-z_]+(?:\.[a-z_]+)+)"')


def _texts(language: str) -> dict[str, str]:
    def once(pairs: list[tuple[str, str]]) -> dict[str, str]:
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"{language}.json repeats a key"
        return dict(pairs)

    text = (STRINGS / f"{language}.json").read_text(encoding="utf-8")
    texts: dict[str, str] = json.loads(text, object_pairs_hook=once)
    return texts


def _sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in WEBAPP.rglob("*.py"))


def test_every_language_has_its_file() -> None:
    assert {path.stem for path in STRINGS.glob("*.json")} == set(LANGUAGES)


def test_every_text_that_a_page_uses_exists() -> None:
    used = set(_USED.findall(_sources()))
    assert used
    assert used - set(_texts("en")) == set()


def test_every_text_is_used() -> None:
    assert set(_texts("en")) - set(_LITERAL.findall(_sources())) - {"skip"} == set()


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_language_has_the_same_texts_and_values(language: str) -> None:
    english, other = _texts("en"), _texts(language)
    assert set(english) == set(other)
    expected = {key: arguments(text) for key, text in english.items()}
    assert {key: arguments(text) for key, text in other.items()} == expected


# The plural categories of CLDR. A form for 0 alone replaces "zero".
_PLURAL_FORMS = {"en": {"one", "other"}, "de": {"one", "other"}, "ar": {"zero", "one", "two", "few", "many", "other"}}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_plural_has_every_form_of_its_language(language: str) -> None:
    plural = re.compile(r"plural,((?: =?\w+ \{(?:[^{}]|\{[^{}]*\})*\})+)")
    for key, text in _texts(language).items():
        for forms in plural.findall(text):
            names = set(re.findall(r" (=?\w+) \{", forms))
            assert {name.replace("=0", "zero") for name in names} >= _PLURAL_FORMS[language], key


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_text_is_empty_or_has_an_open_brace(language: str) -> None:
    texts = _texts(language)
    assert [key for key, text in texts.items() if not text.strip() or text.count("{") != text.count("}")] == []


def test_no_browser_test_quotes_a_text() -> None:
    texts = _texts("en").items()
    # Shorter texts and those with values also occur as words of the tests themselves.
    sentences = {key: text for key, text in texts if len(text.split()) > 2 and not arguments(text)}
    tests = {
        path.name: path.read_text(encoding="utf-8").replace(r"\u2019", "\u2019") for path in BROWSER_TESTS.glob("*.py")
    }
    quoted = [(name, key) for name, test in tests.items() for key, text in sentences.items() if f'"{text}' in test]
    assert sentences
    assert quoted == []


def test_a_pattern_matches_its_text_and_no_other() -> None:
    assert pattern("checkout.wait", time=r"\d:\d\d").fullmatch(words("checkout.wait", time="0:42"))
    assert not pattern("checkout.wait", time=r"\d:\d\d").fullmatch(words("checkout.wait", time="soon"))


def test_an_unknown_text_or_a_wrong_value_stops_the_build() -> None:
    with pytest.raises(KeyError):
        say("no.such.text")
    with pytest.raises(TypeError, match="has the values"):
        say("booking.title")
    with pytest.raises(TypeError, match="has the values"):
        say("booking.head", event="x")
