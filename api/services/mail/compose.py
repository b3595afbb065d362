"""The composition of a message from the present state of its order: plain text, HTML, ticket codes, calendar file.

A message refers to no other host than the web app's, so that no third party learns when a buyer reads it. The link
contains a secret that is derived when the message is composed, so that no copy of the database gives access.
"""

import io
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import quote

import msgspec
import segno
import typst

from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.schemas import Locale
from api.services.access import link_secret
from api.services.accounts.links import sign_in_token
from api.services.calendar import to_calendar
from api.services.event_rules import takes_place
from api.services.mail.facts import Facts, Occasion, codes_of, place_of
from api.services.mail.html import Content, Fact, to_html, to_text
from api.services.mail.outbox import Claimed, Kind
from api.services.mail.pdf import write_tickets
from api.services.mail.texts import Texts
from api.services.order_rows import EVENT_CANCELLED, BookingRow, OrderRow
from api.services.short_reference import grouped, short_reference

_log = logging.getLogger(__name__)

_TRUE_WHILE: dict[Kind, str] = {
    "held": "pending",
    "confirmed": "confirmed",
    "expired": "expired",
    "returned": "confirmed",
    "event_changed": "confirmed",
}
"""The status of the order in which a message is true, if the event takes place.

The other messages announce facts that stay true.
"""
_PAID = frozenset({"refunding", "refunded"})
"""States of the payment of an order that was paid and has ended. A payment of 0 is `refunded` at once."""
_WITH_TICKETS = frozenset({"confirmed", "event_changed"})
_LINKS_MAX = 50
"""The most orders of a message with links."""
_CODE_PIXELS, _QUIET_ZONE = 6, 4
"""Pixels of a module of a QR code, and the width of its margin in modules."""


class Sender(msgspec.Struct, frozen=True):
    """The settings that appear in messages, and the secrets of links and of ticket codes."""

    address: str
    web_url: str
    access_secret: str
    ticket_secret: str


class LinkedOrder(msgspec.Struct, frozen=True):
    """A row of `message_requests.list_links`. The time is the local time of the venue."""

    reference: str
    link_generation: int
    name: str
    starts_at: datetime


class _Link(msgspec.Struct, frozen=True):
    id: str


async def list_links(pool: Pool, recipient: str) -> Sequence[LinkedOrder]:
    """Return the newest orders of an address."""
    parameters = {"recipient": recipient, "limit": _LINKS_MAX}
    async with open_session(pool) as session:
        return await session.run(Statement(queries.message_requests.list_links, parameters, LinkedOrder))


async def find_sign_in_link(pool: Pool, message_id: int) -> str | None:
    """Return the id of a message's link to sign in, a UUID; None if the link was used or has expired."""
    async with open_session(pool) as session:
        found = await session.run(Statement(queries.sign_ins.find_link, {"message_id": message_id}, _Link))
    return found[0].id if found else None


def is_true(kind: Kind, facts: Facts, before: Occasion | None = None) -> bool:
    """Return whether a message still describes its order.

    `before` has the details of the event before the change that the message announces.
    """
    if kind not in _TRUE_WHILE:
        return True
    if kind == "event_changed" and before in (None, msgspec.structs.replace(facts.occasion, expires_at=None)):
        return False
    return facts.order.status == _TRUE_WHILE[kind] and takes_place(facts.event)


def compose(
    message: Claimed, facts: Facts, sender: Sender, now: datetime, before: Occasion | None = None
) -> EmailMessage:
    """Return the e-mail of a message; equal arguments give an equal e-mail, apart from the boundaries of its parts.

    `before` has the details of the event before the change that the message announces.

    Raises:
        ValueError: an address or another header has characters that no header may have.
    """
    texts = Texts(message.locale)
    order, event = facts.order, facts.event
    codes = codes_of(facts, sender.ticket_secret) if message.kind in _WITH_TICKETS and takes_place(event) else []
    content = Content(
        heading=texts.get(f"{message.kind}.heading"),
        paragraphs=_paragraphs(message.kind, facts, texts),
        facts=_facts(facts, texts, before or facts.occasion),
        codes=_captions(codes, facts.bookings, texts),
        links=[Fact(texts.get("open"), _link(order, sender))],
        notes=_notes(texts),
    )
    mail = _envelope(message, sender, texts.get(f"{message.kind}.subject", event=event.name), now)
    _set_body(mail, content, texts)
    if codes:
        _attach_images(mail, codes)
        _attach_calendar(mail, facts, sender)
        _attach_tickets(mail, facts, message.locale, sender.ticket_secret)
    elif message.kind == "event_cancelled" and order.payment in _PAID:  # The confirmation had an entry.
        _attach_calendar(mail, facts, sender)
    mail["Content-Language"] = message.locale  # The methods above move such a header into the first part.
    return mail


def compose_links(message: Claimed, orders: Sequence[LinkedOrder], sender: Sender, now: datetime) -> EmailMessage:
    """Return the e-mail with the links to all orders of its recipient.

    Raises:
        ValueError: an address has characters that no header may have.
    """
    texts = Texts(message.locale)
    links = [
        Fact(texts.get("links.order", event=order.name, date=texts.date(order.starts_at)), _link(order, sender))
        for order in orders
    ]
    paragraphs = [texts.get("links.text")]
    content = Content(texts.get("links.heading"), paragraphs, facts=[], codes=[], links=links, notes=_notes(texts))
    mail = _envelope(message, sender, texts.get("links.subject"), now)
    _set_body(mail, content, texts)
    mail["Content-Language"] = message.locale
    return mail


def compose_sign_in(message: Claimed, link_id: str, sender: Sender, now: datetime) -> EmailMessage:
    """Return the e-mail with the link to sign in. Its token is behind `#`, which browsers send to no server.

    Raises:
        ValueError: an address has characters that no header may have.
    """
    texts = Texts(message.locale)
    address = f"{sender.web_url}/sign-in#{sign_in_token(sender.access_secret, link_id)}"
    links = [Fact(texts.get("sign_in.open"), address)]
    notes = [texts.get("automatic")]
    paragraphs = [texts.get("sign_in.text")]
    content = Content(texts.get("sign_in.heading"), paragraphs, facts=[], codes=[], links=links, notes=notes)
    mail = _envelope(message, sender, texts.get("sign_in.subject"), now)
    _set_body(mail, content, texts)
    mail["Content-Language"] = message.locale
    return mail


def compose_notice(message: Claimed, sender: Sender, now: datetime) -> EmailMessage:
    """Return the e-mail about a change to how an account signs in. It has no secret.

    Raises:
        ValueError: an address has characters that no header may have.
    """
    texts = Texts(message.locale)
    content = Content(
        heading=texts.get(f"{message.kind}.heading"),
        paragraphs=[texts.get(key) for key in (f"{message.kind}.text", "notice.yours", "notice.strange")],
        facts=[],
        codes=[],
        links=[Fact(texts.get("notice.open"), f"{sender.web_url}/sign-in")],
        notes=[texts.get("automatic")],
    )
    mail = _envelope(message, sender, texts.get(f"{message.kind}.subject"), now)
    _set_body(mail, content, texts)
    mail["Content-Language"] = message.locale
    return mail


def _page(reference: str, sender: Sender) -> str:
    return f"{sender.web_url}/booking/{quote(reference, safe='')}"


def _link(order: OrderRow | LinkedOrder, sender: Sender) -> str:
    secret = link_secret(sender.access_secret, order.reference, order.link_generation)
    return f"{_page(order.reference, sender)}#{secret}"


def _notes(texts: Texts) -> list[str]:
    """Return the sentences at the end of a message with the links and the times of orders."""
    return [texts.get(key) for key in ("private", "automatic", "times")]


def _envelope(message: Claimed, sender: Sender, subject: str, now: datetime) -> EmailMessage:
    """Return a message that has headers only.

    Raises:
        ValueError: an address or the subject has characters that no header may have.
    """
    mail = EmailMessage(SMTP)
    mail["Subject"] = subject
    mail["From"] = _address(sender.address)
    mail["To"] = _address(message.recipient)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message.message_id
    mail["Auto-Submitted"] = "auto-generated"  # Out-of-office programs then send no reply.
    return mail


def _set_body(mail: EmailMessage, content: Content, texts: Texts) -> None:
    mail.set_content(to_text(content, texts))
    mail.add_alternative(to_html(content, texts), subtype="html")


def _address(text: str) -> Address:
    """Return an address for a header.

    Raises:
        ValueError: the text is not exactly one address.
    """
    try:
        return Address(addr_spec=text)
    except MessageError as error:
        raise ValueError(str(error)) from error


def _attach_images(mail: EmailMessage, codes: Sequence[str]) -> None:
    """Add the images of the codes to the HTML, which refers to them by their content ids."""
    html = mail.get_body(("html",))
    assert html is not None  # noqa: S101 - the composition has added it
    for line, code in enumerate(codes, start=1):
        html.add_related(_png(code), "image", "png", cid=f"<ticket-{line}>", filename=f"ticket-{line}.png")


def _attach_calendar(mail: EmailMessage, facts: Facts, sender: Sender) -> None:
    """Attach the calendar file, whose entry replaces the one of an earlier message."""
    calendar = to_calendar(facts.order, facts.bookings, facts.event, _page(facts.order.reference, sender))
    mail.add_attachment(calendar, "text", "calendar", filename=f"{facts.event.slug}.ics")


def _attach_tickets(mail: EmailMessage, facts: Facts, locale: Locale, ticket_secret: str) -> None:
    try:
        tickets = write_tickets(facts, locale, ticket_secret)
    except typst.TypstError:
        # The message has the codes, so that the buyer needs no file.
        _log.exception("The tickets of order %d cannot be printed", facts.order.id)
    else:
        mail.add_attachment(tickets, "application", "pdf", filename=f"{facts.event.slug}.pdf")


def _captions(codes: Sequence[str], bookings: Sequence[BookingRow], texts: Texts) -> list[Fact]:
    """Return the codes of the tickets with their captions; empty without codes."""
    if not codes:
        return []
    return [
        Fact(texts.get("ticket.code", line=str(booking.line), place=place_of(booking, texts)), code)
        for booking, code in zip(bookings, codes, strict=True)
    ]


def _png(code: str) -> bytes:
    """Return the QR code as PNG, because programs for e-mail display no SVG."""
    image = io.BytesIO()
    segno.make_qr(code, error="m").save(image, kind="png", scale=_CODE_PIXELS, border=_QUIET_ZONE)
    return image.getvalue()


def _paragraphs(kind: Kind, facts: Facts, texts: Texts) -> list[str]:
    order, expires_at = facts.order, facts.occasion.expires_at
    total = texts.amount(order.total_minor, order.currency)
    until = {} if expires_at is None else {"date": texts.date(expires_at), "time": texts.time(expires_at)}
    refunded = texts.amount(order.refunded_minor, order.currency)
    paragraphs = [texts.get(f"{kind}.text", total=total, refunded=refunded, **until)]
    refund_minor = _sum(booking for booking in facts.bookings if booking.returned_at is None)
    if kind == "cancelled" and order.payment in _PAID and refund_minor:
        paragraphs.append(texts.get("cancelled.refund", total=texts.amount(refund_minor, order.currency)))
    if kind == "event_cancelled":
        paragraphs.append(_refund_of_event(facts, texts))
    return paragraphs


def _refund_of_event(facts: Facts, texts: Texts) -> str:
    """Return a paragraph about the refund of an order that its event has ended."""
    order = facts.order
    refunds = [refund for refund in order.refunds if refund.reason == EVENT_CANCELLED]
    refund_minor = sum(refund.amount_minor for refund in refunds)
    if refund_minor:
        refund, total = (texts.amount(minor, order.currency) for minor in (refund_minor, order.total_minor))
        # No other message follows a refund that an inline payment has made at once.
        is_done = all(refund.status == "succeeded" for refund in refunds)
        return texts.get(f"event_cancelled.{'refunded' if is_done else 'refund'}", refund=refund, total=total)
    return texts.get(f"event_cancelled.{'free' if order.payment in _PAID else 'unpaid'}")


def _sum(bookings: Iterable[BookingRow]) -> int:
    """Return the sum of the prices of bookings, in minor units."""
    return sum(booking.price_minor for booking in bookings)


def _facts(facts: Facts, texts: Texts, before: Occasion) -> list[Fact]:
    """Return the labelled facts of an order. Details of the event that differ from those before a change have both."""
    order, occasion = facts.order, facts.occasion
    old = _details(before, texts, names_zone=before.time_zone != occasion.time_zone)
    new = _details(occasion, texts, names_zone=before.time_zone != occasion.time_zone)
    rows = [
        Fact(texts.get(label), new[label] if new[label] == old[label] else _both(new[label], old[label], texts))
        for label in new
        if new[label] or old[label]
    ]
    if facts.bookings:
        rows.append(Fact(texts.get("label.tickets"), "\n".join(_tickets(facts.bookings, texts))))
    # An order that was declined at once has no bookings, and a confirmed one may have returned some.
    total_minor = _sum(facts.bookings) if facts.bookings else order.total_minor
    rows.append(Fact(texts.get("label.total"), texts.amount(total_minor, order.currency)))
    rows.append(Fact(texts.get("label.reference"), order.reference))
    rows.append(Fact(texts.get("label.short_reference"), grouped(short_reference(order.id))))
    return rows


def _details(occasion: Occasion, texts: Texts, *, names_zone: bool) -> dict[str, str]:
    """Return the details of an event by their labels; empty: not announced."""
    zone = f" ({occasion.time_zone})" if names_zone else ""
    when = texts.get("when", date=texts.date(occasion.starts_at), time=texts.time(occasion.starts_at))
    return {
        "label.concert": occasion.name,
        "label.date": when + zone,
        "label.doors": texts.time(occasion.doors_at) + zone if occasion.doors_at else "",
        "label.venue": ", ".join(filter(None, (occasion.venue, occasion.address))),
    }


def _both(new: str, old: str, texts: Texts) -> str:
    """Return the value of a fact after and before a change, on a line each."""
    unknown = texts.get("event_changed.unknown")
    return f"{new or unknown}\n{texts.get('event_changed.before', value=texts.isolated(old or unknown))}"


def _tickets(bookings: Sequence[BookingRow], texts: Texts) -> list[str]:
    """Return a line for each seat, and one for all standing tickets of a tier."""
    standing = [booking.tier for booking in bookings if booking.row_label is None]
    return [
        *(f"{standing.count(tier)} \u00d7 {tier}" for tier in dict.fromkeys(standing)),
        *(place_of(booking, texts) for booking in bookings if booking.row_label is not None),
    ]
