"""Ticket codes cannot be forged, and their image contains the code in a form that scanners read."""

import base64
import re
from xml.etree import ElementTree

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from api.services.codes import (
    booking_id_of,
    draw,
    is_genuine,
    normal,
    sign,
)

SECRET = "tksec_" + base64.b64encode(bytes(range(24))).decode()
OTHER_SECRET = "tksec_" + base64.b64encode(bytes(range(1, 25))).decode()
REFERENCE = "bk_0123456789abcdef01234567-1"
CODE = sign(SECRET, 1234567, REFERENCE)

BOOKING_IDS = st.integers(1, 2**63 - 1)
REFERENCES = st.text("abcXYZ019._:~+=@-", min_size=3, max_size=130)
QR_ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
QUIET_ZONE = 4


# The code is the output of `openssl dgst -sha256 -mac HMAC`. A change would invalidate every sold ticket.
def test_the_code_of_a_ticket_never_changes() -> None:
    assert CODE == "T1-1234567-OJW3MRVUIXRKEW6KG7QZ3UQU"


@given(BOOKING_IDS, REFERENCES)
def test_a_code_is_genuine_for_its_ticket_only(booking_id: int, reference: str) -> None:
    code = sign(SECRET, booking_id, reference)
    assert booking_id_of(code) == booking_id
    assert is_genuine(SECRET, code, booking_id, reference)
    assert not is_genuine(SECRET, code, booking_id, f"{reference}0")
    assert not is_genuine(SECRET, code, booking_id % (2**63 - 1) + 1, reference)
    assert not is_genuine(OTHER_SECRET, code, booking_id, reference)


@given(st.data())
def test_a_code_with_another_character_anywhere_is_not_genuine(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(CODE) - 1))
    other = data.draw(st.characters(codec="utf-8", exclude_characters=CODE[place]))
    altered = CODE[:place] + other + CODE[place + 1 :]
    booking_id = booking_id_of(altered)
    assert booking_id is None or not is_genuine(SECRET, altered, booking_id, REFERENCE)


@pytest.mark.parametrize("changed", [CODE[:-1], CODE + "A", f"{CODE}\n", f" {CODE}", CODE.lower(), "", "é"])
def test_a_code_of_another_length_or_notation_is_not_genuine(changed: str) -> None:
    assert not is_genuine(SECRET, changed, 1234567, REFERENCE)


@pytest.mark.parametrize("typed", [CODE, CODE.lower(), f"{CODE}\r\n", f"\t {CODE} "])
def test_a_code_may_have_lower_case_letters_and_surrounding_space(typed: str) -> None:
    assert normal(typed) == CODE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "T1",
        REFERENCE,
        CODE.replace("T1", "T2"),
        CODE.replace("1234567", "0"),
        CODE.replace("1234567", "01234567"),
        CODE.replace("1234567", "-1"),
        CODE.replace("1234567", "١٢٣"),
        CODE.replace("1234567", str(2**63)),
        CODE.replace("1234567", "9" * 20),
        f"{CODE}\n",
        f"{CODE}=",
        "https://elsewhere.example/" + CODE,
    ],
)
def test_a_text_that_is_no_code_has_no_booking_id(text: str) -> None:
    assert booking_id_of(text) is None


@given(BOOKING_IDS, REFERENCES)
def test_a_code_consists_of_alphanumeric_qr_characters(booking_id: int, reference: str) -> None:
    code = sign(SECRET, booking_id, reference)
    assert set(code) <= QR_ALPHANUMERIC
    assert len(code) <= 47


def modules(svg: bytes) -> list[list[bool]]:
    """Return the dark modules of an image from its path, which consists of M, m and h with whole and half numbers."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - the API's own output
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    dark = [[False] * width for _ in range(height)]
    path = next(each for each in root if "stroke" in each.attrib)
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path.attrib["d"]):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            for step in range(int(values[0])):
                dark[int(y)][int(x) + step] = True
            x += values[0]
        else:
            x, y = values if command == "M" else (x + values[0], y + values[1])
    return dark


@pytest.mark.parametrize("code", [CODE, sign(SECRET, 1, "a-1"), sign(SECRET, 2**63 - 1, "b-10")])
def test_the_image_shows_the_code_with_its_quiet_zone(code: str) -> None:
    expected = [
        [bool(module) for module in row] for row in segno.make_qr(code, error="m").matrix_iter(border=QUIET_ZONE)
    ]
    assert modules(draw(code)) == expected


def test_the_image_is_dark_on_white() -> None:
    root = ElementTree.fromstring(draw(CODE))  # noqa: S314 - the API's own output
    ground, code = list(root)
    _, _, width, height = root.attrib["viewBox"].split()
    assert ground.attrib == {"fill": "#fff", "d": f"M0 0h{width}v{height}h-{width}z"}
    assert code.attrib["stroke"] == "#000"


def test_the_image_is_small_and_scalable() -> None:
    image = draw(CODE)
    assert len(image) < 1500
    assert image.startswith(b'<svg xmlns="http://www.w3.org/2000/svg"')
    assert not re.search(rb"<title|<\?xml|<script|<style| width=| height=", image)
