"""SMTP: one connection that sends several messages, and the kinds of its failures."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

TIMEOUT_S = 10.0
"""Timeout of a connection attempt and of each command, in seconds."""
SEND_MAX_S = 60.0
"""Timeout of a whole message, in seconds. It is shorter than the lease of a message."""
_PERMANENT = range(500, 600)
_CLOSING = 421
"""The code with which a server announces that it ends the connection."""
_PORTS = {"smtp": 25, "smtps": 465}


class MailServerAwayError(Exception):
    """The mail server cannot be reached, refuses the log-in, or has ended the connection."""


class _Refusal(Exception):
    """A response of the mail server that refuses a message. Its text may contain the recipient's address."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code


class RefusedForNowError(_Refusal):
    """The mail server refuses the message for now; another attempt may succeed."""


class RefusedError(_Refusal):
    """The mail server refuses the message for good, so that another attempt is pointless."""


class Connection:
    """A connection to the mail server."""

    def __init__(self, client: aiosmtplib.SMTP, sender: str) -> None:
        self._client = client
        self._sender = sender

    async def send(self, mail: EmailMessage, recipient: str) -> None:
        """Send a message. After this the server is responsible for its delivery.

        Raises:
            RefusedError: the server refuses the recipient or the content for good.
            RefusedForNowError: the server refuses the message for now, or refuses the sender.
            MailServerAwayError: the connection ended or timed out. The server may have accepted the message.
        """
        try:
            async with asyncio.timeout(SEND_MAX_S):
                await self._client.send_message(mail, sender=self._sender, recipients=[recipient])
        except aiosmtplib.SMTPRecipientsRefused as error:
            await self._reset()
            first = error.recipients[0]
            raise _refusal(first.code, first.message) from error
        except aiosmtplib.SMTPSenderRefused as error:
            await self._reset()
            # The sender is a setting. Its mistake must not make the addresses of buyers look wrong.
            raise RefusedForNowError(error.code, error.message) from error
        except aiosmtplib.SMTPResponseException as error:
            await self._reset()
            raise _refusal(error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise MailServerAwayError(str(error) or type(error).__name__) from error

    async def _reset(self) -> None:
        """Prepare the connection for the next message."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._client.rset()


@contextlib.asynccontextmanager
async def connect(url: str, sender: str) -> AsyncIterator[Connection]:
    """Connect to the mail server of a URL such as `smtps://user:password@mail.example.org`.

    `smtp` uses STARTTLS if the server offers it, and requires it before a password is sent.

    Raises:
        MailServerAwayError: the server cannot be reached, or refuses the log-in.
    """
    parts = urlsplit(url)
    client = aiosmtplib.SMTP(
        hostname=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=parts.scheme == "smtps",
        start_tls=True if parts.password and parts.scheme == "smtp" else None,
        timeout=TIMEOUT_S,
    )
    try:
        await client.connect()
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        client.close()
        raise MailServerAwayError(str(error) or type(error).__name__) from error
    try:
        yield Connection(client, sender)
    finally:
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await client.quit()
        client.close()


def _refusal(code: int, text: str) -> Exception:
    if code == _CLOSING:
        # The log shows this error, and the response may contain the address of a buyer.
        return MailServerAwayError(f"the server ends the connection with {code}")
    return (RefusedError if code in _PERMANENT else RefusedForNowError)(code, text)
