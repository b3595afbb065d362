"""Settings of accounts, their sessions, their passkeys and the attempts to sign in."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from api.addresses import is_within, parse_url
from api.settings.mail import MailSettings


class AccountSettings(MailSettings, frozen=True, kw_only=True):
    """The settings of accounts."""

    session_secrets: str = ""
    """Comma-separated keys of sessions: each `sesec_` and at least 24 bytes in base64; empty to generate one in
    `data_dir`.

    The first key signs, and all of them verify. So a new key first goes to the end on every machine, and then to the
    front. The old one may be removed after `access_token_seconds`.
    """
    access_token_seconds: Annotated[int, msgspec.Meta(ge=60, le=3600)] = 600
    """Time for which an access token is valid, from a minute to an hour."""
    clock_difference_max_s: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 60
    """Largest difference between the clocks of the processes and of the database, from 0 to an hour.

    A process whose clock is behind accepts an expired access token for as long, so the list of ended sessions keeps
    them longer by this time.
    """
    session_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30
    """Days until a browser has to sign in again, from 1 to 365."""
    refresh_grace_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10
    """Time in which a repeated exchange of a refresh token gets the same new token, from 1 s to a minute.

    Tabs that refresh at the same time and lost responses need it. A later repeat revokes the session.
    """
    sign_in_link_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 15
    """Minutes for which the link of an e-mail signs in, from 1 to a day."""
    sign_ins_per_minute: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    """Attempts to sign in with a password for one e-mail address within any minute, over all processes, up to 100; 0
    for no limit.

    Attempts with a passkey of one account have the same limit.
    """
    sign_ins_per_address_per_minute: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 20
    """Attempts to sign in from one client address within a minute, for each process, up to 1000; 0 for no limit.

    An address of IPv6 counts with its /64 network.
    """
    sign_in_wait_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 2000
    """Time that a request may wait for the hash of a password, from 50 ms to a minute, before 503 `busy`."""
    passkey_rp_id: str = ""
    """Domain of the passkeys (the identifier of the relying party): the host of the web app or a parent domain of it;
    empty for that host. A browser offers a passkey only on this domain and below it, so a change invalidates all.
    """
    passkeys_per_account: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    """The most passkeys of one account, from 1 to 100."""
    passkey_challenge_seconds: Annotated[int, msgspec.Meta(ge=30, le=3600)] = 300
    """Time in which a browser must respond to a challenge of a passkey, from 30 s to an hour."""
    passkey_challenges_per_minute: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 60
    """Challenges of passkeys for one client address within a minute, for each process, up to 10,000; 0 for no limit.

    An address of IPv6 counts with its /64 network.
    """

    @property
    def relying_party(self) -> str:
        """Return the domain of the passkeys."""
        return self.passkey_rp_id or self._web_host

    @property
    def passkey_origins(self) -> list[str]:
        """Return the origins of pages that may use passkeys: those of the web app on the domain of the passkeys."""
        parts = urlsplit(parse_url(self.web_url))
        origins = dict.fromkeys((f"{parts.scheme}://{parts.netloc}", *self.allowed_origins))
        return [origin for origin in origins if is_within(urlsplit(origin).hostname or "", self.relying_party)]

    @property
    def has_valid_relying_party(self) -> bool:
        """Return whether the web app is on the domain of the passkeys. Browsers refuse any other domain."""
        return is_within(self._web_host, self.relying_party)

    @property
    def _web_host(self) -> str:
        return urlsplit(parse_url(self.web_url)).hostname or ""
