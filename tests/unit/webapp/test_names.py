"""Names: the pages' module refuses the same names as the API."""

import subprocess
import sys
from pathlib import Path

import msgspec

from api.schemas import Text
from api.text import TEXT_MAX, limit_key, normalize
from webapp.components.user_id import USER_ID_LENGTH_MAX

ROOT = Path(__file__).parents[3]
NODE = Path(sys.executable).with_name("node")
REFUSED = """
    import { readFileSync } from "node:fs";
    import { readName } from "./webapp/js/text.js";
    const names = JSON.parse(readFileSync(0, "utf8"));
    console.log(JSON.stringify(names.filter((name) => "fault" in readName(name))));
"""
# The planes beyond have only ideographs, unassigned characters and characters for private use.
CODES = [*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000)]


def test_pages_refuse_the_names_that_the_api_refuses() -> None:
    characters = [chr(code) for code in CODES]
    names = [*characters, *(f"Sam{character}X" for character in characters)]
    names += [character * length for character in ("u", "\U0001f3a4") for length in (TEXT_MAX, TEXT_MAX + 1)]
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", REFUSED],
        input=msgspec.json.encode(names),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    refused = [name for name in names if not _accepts(normalize(name))]
    assert [ascii(name) for name in msgspec.json.decode(done.stdout)] == [ascii(name) for name in refused]
    assert {"\u200b", "\U000e0041", "Sam\u202eX", "Sam\u2028X", "Sam\tX", "u" * (TEXT_MAX + 1)} <= set(refused)
    assert not {"Sam\u200bX", "Sam X", "u" * TEXT_MAX, "\U0001f3a4" * TEXT_MAX} & set(refused)


def test_the_field_takes_names_of_the_length_that_the_api_accepts() -> None:
    assert USER_ID_LENGTH_MAX == TEXT_MAX


def _accepts(name: str) -> bool:
    try:
        msgspec.convert(name, Text)
    except msgspec.ValidationError:
        return False
    return bool(limit_key(name))
