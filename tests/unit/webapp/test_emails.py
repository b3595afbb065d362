"""Addresses for e-mails: the pages' module refuses the same addresses as the API."""

import subprocess
import sys
from pathlib import Path

import msgspec

from api.schemas import Email
from api.text import EMAIL_MAX
from webapp.components.email import EMAIL_LENGTH_MAX

ROOT = Path(__file__).parents[3]
NODE = Path(sys.executable).with_name("node")
REFUSED = """
    import { readFileSync } from "node:fs";
    import { readEmail } from "./webapp/js/email.js";
    const addresses = JSON.parse(readFileSync(0, "utf8"));
    console.log(JSON.stringify(addresses.filter((address) => "fault" in readEmail(address))));
"""
LONG = f"{'a' * (EMAIL_MAX - len('@example.org'))}@example.org"


def test_pages_refuse_the_addresses_that_the_api_refuses() -> None:
    characters = [chr(code) for code in range(0x21, 0x250)]
    addresses = [
        *(f"an{character}n@example.org" for character in characters),
        *(f"ann@exa{character}mple.org" for character in characters),
        *("ann", "ann@", "@example.org", "ann@-a.org", "ann@a-.org", "ann@a..org", "ann@localhost", "a@b@c"),
        *(f"ann@{'a' * length}.org" for length in (63, 64)),
        *("ann@example.org\n.", "ann@exam ple.org", LONG, f"a{LONG}"),
    ]
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", REFUSED],
        input=msgspec.json.encode(addresses),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    refused = [address for address in addresses if not _accepts(address)]
    assert msgspec.json.decode(done.stdout) == refused
    assert {"ann@", "an@n@example.org", "ann@example.org\n.", f"a{LONG}"} <= set(refused)
    assert not {"an+n@example.org", "ann@localhost", LONG} & set(refused)


def test_the_field_takes_addresses_of_the_length_that_the_api_accepts() -> None:
    assert EMAIL_LENGTH_MAX == EMAIL_MAX


def _accepts(address: str) -> bool:
    try:
        msgspec.convert(address, Email)
    except msgspec.ValidationError:
        return False
    return True
