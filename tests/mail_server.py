"""A mail server in the process of the test. It accepts messages, or responds as the test wants."""

import asyncio
import contextlib
import email
import logging
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from email.policy import default
from typing import NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session

ACCEPTED = "250 OK"

# The library logs each command, with its addresses. Tests read the product's own log.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class Received(NamedTuple):
    """A message with the addresses of its envelope."""

    sender: str
    recipients: list[str]
    mail: EmailMessage


class MailServer:
    """Keeps the accepted messages. The test may change the responses."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.response_to_recipient: dict[str, str] = {}
        """The responses to RCPT TO, by address; others are accepted."""
        self.response_to_data = ACCEPTED
        self.response_to_sender = ACCEPTED
        self.on_message: Callable[[], None] = lambda: None
        """Called with each accepted message."""
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, again on the same port after a stop."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, hostname="localhost"), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no longer."""
        assert self._server is not None
        self._server.close()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd calls it by this name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.response_to_sender

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it by this name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        response = self.response_to_recipient.get(address, ACCEPTED)
        if response == ACCEPTED:
            envelope.rcpt_tos.append(address)
        return response

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if self.response_to_data == ACCEPTED:
            assert isinstance(envelope.content, bytes)
            mail = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.on_message()
            self.received.append(Received(envelope.mail_from or "", list(envelope.rcpt_tos), mail))
        return self.response_to_data


@contextlib.asynccontextmanager
async def running_mail_server() -> AsyncIterator[MailServer]:
    """Run a mail server on a free port of this machine."""
    server = MailServer()
    await server.start()
    try:
        yield server
    finally:
        server.stop()
