"""The example for nginx passes the headers on with which the API decides about origins and client addresses."""

import re

from tests.stack import ROOT


def test_the_api_gets_the_public_address_and_the_address_of_its_client() -> None:
    text = (ROOT / "webapp" / "nginx.conf").read_text(encoding="utf-8")
    block = text[text.index("location /api/") :]
    headers = dict(re.findall(r"^ *proxy_set_header (\S+) (\S+);", block, re.MULTILINE))
    assert headers == {
        "Connection": '""',
        "Host": "$http_host",
        "Forwarded": '""',
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Proto": "$scheme",
    }
