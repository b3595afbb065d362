"""Every text formats in every language, in the pages and in the tests alike."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.webapp.words import texts, words
from webapp.apps import BUYERS
from webapp.components.language import LANGUAGES, STRINGS, arguments

pytestmark = pytest.mark.xdist_group("formats")  # Each process would format all texts again.

_VALUES = (0, 1, 2, 3, 11, 100)
_FORMAT = """
    import { readFileSync } from "node:fs";
    import { IntlMessageFormat } from "intl-messageformat";
    const [language, file, values] = process.argv.slice(1);
    const written = {};
    for (const [key, text] of Object.entries(JSON.parse(readFileSync(file, "utf-8"))))
        written[key] = JSON.parse(values).map((value) => {
            const every = new Proxy({}, { get: () => value, has: () => true });
            const result = new IntlMessageFormat(text, language).format(every);
            if (!result) throw new Error(`${key} is empty for ${value}`);
            return result;
        });
    console.log(JSON.stringify(written));
"""


@functools.cache
def _formatted_by_pages(language: str) -> dict[str, list[str]]:
    """Format each text as the pages do, with the same library: every argument has each of `_VALUES` in turn."""
    node = Path(sys.executable).with_name("node")
    options = (language, str(STRINGS / f"{language}.json"), json.dumps(_VALUES))
    command = [str(node), "--input-type=module", "--eval", _FORMAT, *options]
    done = subprocess.run(command, cwd=BUYERS.web_dir, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written: dict[str, list[str]] = json.loads(done.stdout)
    return written


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_text_formats_with_any_number(language: str) -> None:
    # A text that does not format breaks the whole page.
    assert set(_formatted_by_pages(language)) == set(texts(language))


@pytest.mark.parametrize("language", ["en", "de"])
def test_tests_format_texts_as_pages_do(language: str) -> None:
    written = {
        key: [words(key, language, **dict.fromkeys(arguments(text), value)) for value in _VALUES]
        for key, text in texts(language).items()
    }
    assert written == _formatted_by_pages(language)
