"""The browser keeps only secrets of orders that the API accepts."""

import re
from pathlib import Path

from api.http.access import _PRESENTED

ROOT = Path(__file__).parents[3]


def test_the_browser_and_the_api_know_the_same_format() -> None:
    source = (ROOT / "webapp/js/secrets.js").read_text(encoding="utf-8")
    assert re.findall(r"const FORMAT = /\^\(\?:(.+)\)\$/;", source) == [_PRESENTED.pattern]
