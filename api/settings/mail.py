"""Settings of e-mails and of the mailbox for development."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from api.settings.payments import PaymentSettings


class MailSettings(PaymentSettings, frozen=True, kw_only=True):
    """The settings of e-mails."""

    smtp_url: str = ""
    """URL of the mail server, with a percent-encoded user name and password if it needs them; empty: the mailbox."""
    mail_from: str = ""
    """Address of the sender of e-mails; empty for `tickets@` and the host of the web app."""
    mailbox_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """TCP port on 127.0.0.1 of the mailbox for development; 0 for two above `api_port`, or below it like `staff_port`.

    With 0 `make run` uses another port if that one is taken.
    """
    mailbox_web_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """TCP port on 127.0.0.1 of the page that shows the mailbox; 0 for three above `api_port`, like `mailbox_port`."""
    mail_attempts_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    """Attempts to send an e-mail, from 1 to 100, with pauses from two minutes to an hour."""
    mail_give_up_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    """Age from which an e-mail that no mail server has accepted is given up, from 1 to 720 hours."""
    messages_kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    """Days until a sent or failed e-mail loses its address, and a requested one is deleted, from 1 to 3650."""
    messages_per_hour: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 3
    """E-mails that buyers may request in an hour about one order and to one address, up to 1000; 0 for no limit.

    Links to sign in have the same limit, in which only the usable links of an address count.
    """
    message_requests_per_minute: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10
    """Requests for e-mails of one client address in a minute, for each process, up to 1000; 0 for no limit."""
    links_response_ms: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 100
    """Step of the time of responses to requests for links, from 1 ms to 5 s.

    Each takes a whole number of steps, so that its time does not disclose whether the address is known.
    """
    pdf_threads: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    """Threads of each API process that write tickets as PDF, from 1 to 16."""
    pdf_wait_ms: Annotated[int, msgspec.Meta(ge=100, le=60_000)] = 3000
    """Longest time until tickets are written as PDF, from 100 ms to a minute; 503 `busy` after it."""
    unpaid_messages_per_hour: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10
    """E-mails about unpaid orders to one address in an hour, up to 1000; 0 for no limit."""

    event_change_delay_s: Annotated[int, msgspec.Meta(ge=10, le=86_400)] = 60
    """Time from a change of an event until its buyers get an e-mail, from 10 s to a day.

    Further changes within this time share the e-mail, and an undone change has none. Bookings that began before the
    change must be able to finish within it.
    """

    @property
    def mailbox_ports(self) -> tuple[int, int]:
        """Return the ports of the mailbox and of its page."""
        return self.mailbox_port or self.port_beside_api(2), self.mailbox_web_port or self.port_beside_api(3)

    @property
    def mail_server(self) -> str:
        """Return the URL of the mail server."""
        return self.smtp_url or f"smtp://127.0.0.1:{self.mailbox_ports[0]}"

    @property
    def sender_address(self) -> str:
        """Return the address of the sender of e-mails."""
        return self.mail_from or f"tickets@{self.mail_domain}"

    @property
    def mail_domain(self) -> str:
        """Return the domain of e-mails: the host of the web app."""
        host = urlsplit(self.web_url).hostname or "localhost"
        return f"[IPv6:{host}]" if ":" in host else host
