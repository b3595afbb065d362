"""The mailbox for development: a mail server that delivers nothing, and a page that shows the messages it has accepted.

Both listen on loopback only. The messages are in memory and end with the process.
"""

import asyncio
import contextlib
import email
import itertools
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath

from api.commands import mailbox_page
from api.config import Settings
from api.server.sockets import open_listener, possible_connections
from api.server.uvicorn_patch import Port, Server

HOST: Final = "127.0.0.1"
KEPT_MAX = 200
"""The number of the newest messages that the mailbox keeps."""
MESSAGE_BYTES_MAX = 2_000_000
"""Size of the largest message, in bytes."""
REFUSED_DOMAIN: Final = ".invalid"
"""The end of addresses that the mailbox refuses, so that developers can try out a wrong address. No real one has it."""
_FINISH_WITHIN_S = 5
_OTHER_FILES_MAX = 100
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'"
    ),
}
_POLICY_OF_HTML = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


class Stored(msgspec.Struct, frozen=True):
    """A message with the time at which the mailbox accepted it."""

    number: int
    received_at: datetime
    recipients: tuple[str, ...]
    mail: EmailMessage


class Mailbox:
    """The newest messages, by their numbers."""

    def __init__(self) -> None:
        self.stored: dict[int, Stored] = {}
        self._numbers = itertools.count(1)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        if address.lower().endswith(REFUSED_DOMAIN):
            return "550 5.1.1 There is no such address"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it
        """Keep a message, and forget the oldest one beyond the limit."""
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        number = next(self._numbers)
        mail = email.message_from_bytes(raw, policy=default)
        self.stored[number] = Stored(number, datetime.now(UTC), tuple(envelope.rcpt_tos), mail)
        for oldest in list(self.stored)[:-KEPT_MAX]:
            del self.stored[oldest]
        return "250 OK"

    def find(self, number: int) -> Stored:
        """Return a message.

        Raises:
            NotFoundException: the mailbox has no such message.
        """
        try:
            return self.stored[number]
        except KeyError:
            raise NotFoundException(f"There is no message {number}.") from None


class MailboxState(State):
    """The object that the routes share."""

    mailbox: Mailbox


@get("/", media_type="text/html")
async def get_list(state: MailboxState) -> Response[str]:
    """Return the page with the list of messages, newest first."""
    rows = [
        mailbox_page.Row(stored.number, stored.received_at, ", ".join(stored.recipients), stored.mail["Subject"] or "")
        for stored in reversed(state.mailbox.stored.values())
    ]
    return Response(mailbox_page.render_list(rows), headers=_HEADERS)


@get("/mails/{number:int}", media_type="text/html")
async def get_message(state: MailboxState, number: FromPath[int]) -> Response[str]:
    """Return the page of a message: its headers, its text, its attachments, and a frame with its HTML."""
    return Response(mailbox_page.render_message(number, state.mailbox.find(number).mail), headers=_HEADERS)


@get("/mails/{number:int}/html", media_type="text/html")
async def get_html(state: MailboxState, number: FromPath[int]) -> Response[str]:
    """Return the HTML of a message, which can run no script and load nothing."""
    content = mailbox_page.render_html(state.mailbox.find(number).mail)
    return Response(content, headers=_HEADERS | {"Content-Security-Policy": _POLICY_OF_HTML})


@get("/mails/{number:int}/attachments/{index:int}")
async def get_attachment(state: MailboxState, number: FromPath[int], index: FromPath[int]) -> Response[bytes]:
    """Return an attachment of a message for download."""
    attachments = list(state.mailbox.find(number).mail.iter_attachments())
    if not 0 <= index < len(attachments):
        raise NotFoundException(f"Message {number} has no attachment {index}.")
    part = attachments[index]
    content = part.get_content()
    raw = content.encode() if isinstance(content, str) else content
    name = (part.get_filename() or "attachment").encode("ascii", "replace").decode().replace('"', "")
    headers = _HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(raw, media_type=part.get_content_type(), headers=headers)


async def _refuse_other_hosts(request: Request[Any, Any, Any]) -> None:
    """Refuse a request for another host, from a page that rebinds its domain to this address.

    Raises:
        PermissionDeniedException: the request is for another host.
    """
    host = request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")
    if host not in (HOST, "localhost"):
        raise PermissionDeniedException("The mailbox is for this machine only.")


def create_app(settings: Settings) -> Litestar:
    """Return the application of the page; its lifespan includes the mail server."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.mailbox = Mailbox()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(app.state.mailbox, hostname="localhost", data_size_limit=MESSAGE_BYTES_MAX, loop=loop),
            HOST,
            settings.mailbox_ports[0],
        )
        async with server:
            yield

    return Litestar(
        route_handlers=[get_list, get_message, get_html, get_attachment],
        lifespan=[lifespan],
        before_request=_refuse_other_hosts,
        openapi_config=None,
        logging_config=None,  # The framework would replace the format of api/logs.py.
    )


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return 0."""
    port = Port(
        open_listener(HOST, settings.mailbox_ports[1], write_timeout_ms=settings.write_timeout_ms),
        create_app(settings),
        connections_max=possible_connections(settings.connections_max, other_files=_OTHER_FILES_MAX),
        header_timeout_s=settings.header_timeout_ms / 1000,
        silence_min_s=settings.header_timeout_ms / 1000,
    )
    server = Server([port], finish_within_s=_FINISH_WITHIN_S)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    server.run()
    return 0
