"""The bodies of requests and responses about accounts, sessions and access to orders, in camelCase on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from api.schemas import Email, Slug, require

PASSWORD_MIN, PASSWORD_MAX = 10, 128
"""Lengths of passwords in characters. The longest one bounds the work of a hash."""
TOKEN_MAX = 256
"""The longest token of a link, in characters."""
PROPOSED_PATTERN = r"^[A-Za-z0-9_-]{32,128}(?![\s\S])"
"""A secret of a client for an order. It has at least 192 bits if it is random."""

Role = Literal["box_office", "organiser", "door", "admin"]
"""A role of staff. `admin` includes the others. Every other account is a buyer's."""

METHODS: Mapping[str, tuple[str, ...]] = {"link": ("token",), "password": ("email", "password")}
"""The fields that each way to sign in requires."""


class SignInRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/sessions`: the token of a link in an e-mail, or an address and its password."""

    method: Literal["link", "password"]
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_MAX)] | None = None
    email: Email | None = None
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=PASSWORD_MAX)] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if a field of the method is missing."""
        require(**{name: getattr(self, name) for name in METHODS[self.method]})

    @staticmethod
    def required_with(fields: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the optional fields that a body with some fields requires, by their names on the wire."""
        method = fields.get("method")
        return METHODS.get(method, ()) if isinstance(method, str) else ()


class PasswordRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `PUT /api/me/password`."""

    password: Annotated[str, msgspec.Meta(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)]


class GrantRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of a request to grant a role: for an event, or for all events without one."""

    email: Email
    role: Role
    event: Slug | None = None


class AccountRole(msgspec.Struct, frozen=True, rename="camel"):
    """A role of an account; `event` is the event's slug, null for all events."""

    role: Role
    event: str | None


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """An account; `id` is a UUID."""

    id: str
    email: str
    has_password: bool
    """True if the account can sign in with a password."""
    roles: list[AccountRole]


class AccountSession(msgspec.Struct, frozen=True, rename="camel"):
    """A session: the access token for the header `Authorization` with its end, and the account."""

    access_token: str
    expires_at: datetime
    account: Account


class GrantedRole(msgspec.Struct, frozen=True, rename="camel"):
    """A role of the account of an address; `event` is the event's slug, null for all events."""

    id: int
    email: str
    role: Role
    event: str | None
    granted_at: datetime


class GrantList(msgspec.Struct, frozen=True):
    """All roles of all accounts, by address."""

    grants: list[GrantedRole]


class RevocationRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/bookings/{reference}/links/revoke`: the new secret; null: the API makes one."""

    secret: Annotated[str, msgspec.Meta(pattern=PROPOSED_PATTERN)] | None = None


class LinksRevoked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The response to a revocation of links: the only secret that gives access to the booking."""

    success: Literal[True] = True
    reference: str
    booking_secret: str
    link_generation: int
    """The number of revocations. Further e-mails have links of this generation."""
