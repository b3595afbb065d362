"""Tickets to print: a tagged PDF (PDF/UA-1) with a page for each ticket of an order.

Names are data of the document, which the typesetter never evaluates. It refuses a text without a glyph, and `glyphs`
replaces such characters before.
"""

import functools
from pathlib import Path

import msgspec
import typst

from api.schemas import Locale
from api.services.codes import draw
from api.services.mail.facts import Facts, codes_of, place_of
from api.services.mail.glyphs import FAMILIES, HEADING_RUN_MAX, REPLACEMENT, font_files, printable
from api.services.mail.texts import Texts
from api.services.order_rows import BookingRow
from api.services.short_reference import grouped, short_reference

MEDIA_TYPE = "application/pdf"

_TEMPLATE = Path(__file__).with_name("ticket.typ")
_CACHED_DOCUMENTS = 64
"""Number of documents in memory, of about 50 kB each."""


class _Fact(msgspec.Struct, frozen=True):
    label: str
    value: str


class _Ticket(msgspec.Struct, frozen=True):
    """A page of the document. `image` is the code as SVG, and `alternative` is its text for screen readers."""

    number: str
    facts: list[_Fact]
    code: str
    image: str
    alternative: str


class _Document(msgspec.Struct, frozen=True):
    """The data of `ticket.typ`."""

    title: str
    language: Locale
    fonts: tuple[str, ...]
    event: str
    facts: list[_Fact]
    tickets: list[_Ticket]
    notes: list[str]


def write_tickets(facts: Facts, locale: Locale, ticket_secret: str) -> bytes:
    """Return the tickets of an order as PDF; equal arguments give equal bytes.

    The typesetter takes some milliseconds for each ticket, during which other threads run. `ticket_secret` is the text
    of `TICKET_SECRET`.

    Raises:
        typst.TypstError: the typesetter refuses the document.
    """
    document = msgspec.json.encode(_document(facts, Texts(locale), ticket_secret)).decode()
    return _typeset(document, int(facts.order.created_at.timestamp()))


def _document(facts: Facts, texts: Texts, ticket_secret: str) -> _Document:
    order, occasion = facts.order, facts.occasion
    when = texts.get("when", date=texts.date(occasion.starts_at), time=texts.time(occasion.starts_at))
    rows = {
        "label.date": when,
        "label.doors": texts.time(occasion.doors_at) if occasion.doors_at else "",
        "label.venue": ", ".join(filter(None, (occasion.venue, occasion.address))),
        "pdf.name": order.user_id,
        "label.reference": order.reference,
        "label.short_reference": grouped(short_reference(order.id)),
    }
    document = _Document(
        title=texts.get("pdf.title", event=printable(occasion.name)),
        language=texts.locale,
        fonts=FAMILIES,
        event=texts.isolated(printable(occasion.name, HEADING_RUN_MAX)),
        facts=[_Fact(texts.get(label), _value(value, texts)) for label, value in rows.items() if value],
        tickets=_tickets(facts, texts, ticket_secret),
        notes=[texts.get("pdf.note")],
    )
    if REPLACEMENT in f"{document}":
        document.notes.append(texts.get("pdf.replaced", character=REPLACEMENT))
    return document


def _tickets(facts: Facts, texts: Texts, ticket_secret: str) -> list[_Ticket]:
    return [
        _Ticket(
            number=texts.get("pdf.ticket", line=str(booking.line)),
            facts=[_Fact(texts.get("label.place"), _place(booking, texts))],
            code=code,
            image=draw(code).decode(),
            alternative=texts.get("pdf.code", line=str(booking.line), code=code),
        )
        for booking, code in zip(facts.bookings, codes_of(facts, ticket_secret), strict=True)
    ]


def _place(booking: BookingRow, texts: Texts) -> str:
    """Return the tier and the seat of a ticket."""
    row = booking.row_label and printable(booking.row_label)
    return place_of(msgspec.structs.replace(booking, tier=printable(booking.tier), row_label=row), texts)


def _value(value: str, texts: Texts) -> str:
    return texts.isolated(printable(value))


@functools.cache
def _fonts() -> typst.Fonts:
    directories = [str(file.parent) for file in font_files()]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=directories)


@functools.lru_cache(maxsize=_CACHED_DOCUMENTS)
def _typeset(document: str, timestamp: int) -> bytes:
    """Return a document as PDF. Its content is the key of the cache, so that each change of the order has its own."""
    pdf = typst.compile(
        _TEMPLATE.read_bytes(),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"data": document},
        pdf_standards=["ua-1"],
        timestamp=timestamp,
    )
    assert isinstance(pdf, bytes)  # noqa: S101 - the type of a document without an output file
    return pdf
