"""Tickets as PDF: tagged, a page for each ticket, and the same for hostile names."""

import io
from email.message import EmailMessage
from typing import Any, get_args

import msgspec
import pypdf
import pytest
import typst
from hypothesis import given
from hypothesis import strategies as st

from api.schemas import Locale
from api.services.codes import sign
from api.services.mail.compose import compose
from api.services.mail.facts import Facts
from api.services.mail.glyphs import REPLACEMENT, printable
from api.services.mail.pdf import write_tickets
from api.services.mail.texts import Texts
from tests.unit.services.mail.test_compose import NOW, SENDER, body, facts, message, sent

LOCALES: tuple[Locale, ...] = get_args(Locale)
LONGEST = 200
"""The longest names that the database allows, in characters."""
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
"""A word whose parts a character without width separates."""


def named(name: str, **changes: Any) -> Facts:
    """Return an order whose buyer and event have a name; `changes` are those of the event's texts."""
    shown = facts()
    return msgspec.structs.replace(
        shown,
        order=msgspec.structs.replace(shown.order, user_id=name),
        occasion=msgspec.structs.replace(shown.occasion, **({"name": name} | changes)),
    )


def written(shown: Facts, locale: Locale = "en") -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(write_tickets(shown, locale, SENDER.ticket_secret)))


@pytest.mark.parametrize("locale", LOCALES)
def test_each_ticket_has_a_page_with_its_facts(locale: Locale) -> None:
    shown = facts()
    pages = [page.extract_text() for page in written(shown, locale).pages]
    assert len(pages) == len(shown.bookings)
    for booking, page in zip(shown.bookings, pages, strict=True):
        code = sign(SENDER.ticket_secret, booking.id, f"bk:1+a-{booking.line}")
        for fact in ("Aurora <Sessions> & Friends", "Harbour Hall, Pier 4", "bk:1+a", "XZ9J-GVWA", code, booking.tier):
            assert fact in page
        assert str(booking.seat_number or "") in page
        assert REPLACEMENT not in page


@pytest.mark.parametrize("locale", LOCALES)
def test_the_document_is_tagged_for_screen_readers(locale: Locale) -> None:
    document = written(facts(), locale)
    root: Any = document.root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == locale
    assert document.metadata is not None
    assert document.metadata.title == Texts(locale).get("pdf.title", event="Aurora <Sessions> & Friends")
    assert b"pdfuaid:part" in root["/Metadata"].get_data()


def test_arabic_letters_are_shaped() -> None:
    """The same letter has another form at the beginning, in the middle and at the end of a word."""
    page: Any = written(named("\N{ARABIC LETTER BEH}" * 3), "ar").pages[0]
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    maps = [font["/ToUnicode"].get_data().decode() for font in fonts if "Arabic" in font["/BaseFont"]]
    assert max(glyphs.count("<0628>") for glyphs in maps) >= 3


def test_equal_orders_give_equal_bytes() -> None:
    first = write_tickets(facts(), "en", SENDER.ticket_secret)
    write_tickets(named("another"), "en", SENDER.ticket_secret)
    assert write_tickets(facts(), "en", SENDER.ticket_secret) == first


@pytest.mark.parametrize(
    "name", ['#eval("1+1")', "#import sys", "$x^2$", "*a* _b_ `c`", "= a", "@a <b>", "\\u{41} // c", "{{}} {0}", "\"'"]
)
def test_markup_in_names_stays_text(name: str) -> None:
    assert name in written(named(name)).pages[0].extract_text()


def test_the_longest_names_fit_on_the_page_of_their_ticket() -> None:
    long = "Щ" * LONGEST
    shown = named(long, venue=long, address=long)
    shown = msgspec.structs.replace(
        shown,
        order=msgspec.structs.replace(shown.order, user_id=long[:128], reference="Щ" * 128),
        bookings=[msgspec.structs.replace(each, tier="Щ" * 100, row_label="Щ" * 50) for each in shown.bookings],
    )
    document = written(shown)
    assert len(document.pages) == len(shown.bookings)
    assert document.pages[0].extract_text().count("Щ") == 3 * LONGEST + 2 * 128 + 100 + 50


@pytest.mark.parametrize("digits", ["0" * 24, "4bd7240e53766fa55eafc495", "8" * 24])
def test_a_reference_that_is_copied_from_the_page_is_whole(digits: str) -> None:
    """A break inside the reference would be part of the copy, and no search would find the order."""
    shown = facts()
    shown = msgspec.structs.replace(shown, order=msgspec.structs.replace(shown.order, reference=f"bk_{digits}"))
    assert f"bk_{digits}" in written(shown).pages[0].extract_text().splitlines()


@pytest.mark.parametrize("name", ["日本", "Ada 😀", "שלום"])
def test_a_character_without_a_glyph_is_replaced_and_the_ticket_explains_it(name: str) -> None:
    page = written(named(name)).pages[0].extract_text()
    assert printable(name) in page
    assert Texts("en").get("pdf.replaced", character=REPLACEMENT) in " ".join(page.split())
    plain = written(named("Ada")).pages[0].extract_text()
    assert REPLACEMENT not in plain


def test_printable_texts_keep_what_the_fonts_have() -> None:
    for text in ("Zoë Ångström", "\N{GREEK CAPITAL LETTER LAMDA}", "\N{CYRILLIC CAPITAL LETTER ZHE}", PERSIAN):
        assert printable(text) == text
    assert printable("e\u0301") == "é"
    assert printable("a\u202eb\u2066c\ufeff\x00d\u00ade") == "abcde"
    assert printable(" a\n\tb\u3000c ") == "a b c"
    assert printable("👍\ufe0f") == REPLACEMENT


@given(st.text(max_size=LONGEST), st.sampled_from(LOCALES))
def test_no_name_stops_the_typesetter_or_adds_a_page(name: str, locale: Locale) -> None:
    shown = named(name or "x", venue=name or "x")
    assert len(written(shown, locale).pages) == len(shown.bookings)


def test_a_confirmation_has_the_tickets_as_a_file() -> None:
    (file,) = attachments(sent(compose(message("confirmed", "de"), facts(), SENDER, NOW)))
    assert file.get_filename() == "aurora-sessions.pdf"
    assert file.get_content() == write_tickets(facts(), "de", SENDER.ticket_secret)


def test_a_confirmation_is_sent_even_if_its_tickets_cannot_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise typst.TypstError("a new rule of the typesetter", "")

    monkeypatch.setattr("api.services.mail.compose.write_tickets", fail)
    mail = sent(compose(message("confirmed"), facts(), SENDER, NOW))
    assert attachments(mail) == []
    assert sign(SENDER.ticket_secret, 101, "bk:1+a-1") in body(mail, "plain")


def attachments(mail: EmailMessage) -> list[Any]:
    return [part for part in mail.iter_attachments() if part.get_content_type() == "application/pdf"]
