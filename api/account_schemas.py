"""The bodies of requests and responses about accounts, sessions and access to orders, in camelCase on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from api.schemas import BYTES_PATTERN, Email, Slug, Text, require

PASSWORD_MIN, PASSWORD_MAX = 10, 128
"""Lengths of passwords in characters. The longest one bounds the work of a hash."""
TOKEN_MAX = 256
"""The longest token of a link, in characters."""
PROPOSED_PATTERN = r"^[A-Za-z0-9_-]{32,128}(?![\s\S])"
"""A secret of a client for an order. It has at least 192 bits if it is random."""

Role = Literal["box_office", "organiser", "door", "admin"]
"""A role of staff. `admin` includes the others. Every other account is a buyer's."""

METHODS: Mapping[str, tuple[str, ...]] = {
    "link": ("token",),
    "password": ("email", "password"),
    "passkey": ("passkey",),
}
"""The fields that each way to sign in requires."""


CredentialId = Annotated[str, msgspec.Meta(min_length=1, max_length=1364, pattern=BYTES_PATTERN)]
"""The identifier of a passkey's credential, at most 1023 bytes."""
AuthenticatorBytes = Annotated[str, msgspec.Meta(min_length=1, max_length=8192, pattern=BYTES_PATTERN)]
"""A part of an authenticator's response."""
Transports = Annotated[list[Annotated[str, msgspec.Meta(max_length=32)]], msgspec.Meta(max_length=16)]
"""The connections to an authenticator. The API ignores those that it does not know."""


class PasskeyAssertion(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The response of an authenticator to a sign-in. Its fields are those of WebAuthn, in base64url."""

    id: CredentialId
    client_data: AuthenticatorBytes
    authenticator_data: AuthenticatorBytes
    signature: AuthenticatorBytes
    user_handle: AuthenticatorBytes
    """The bytes of the account's `id`."""


class SignInRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/sessions`: the token of a link, an address and its password, or a passkey's response."""

    method: Literal["link", "password", "passkey"]
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_MAX)] | None = None
    email: Email | None = None
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=PASSWORD_MAX)] | None = None
    passkey: PasskeyAssertion | None = None

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


class PasskeyRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/me/passkeys`: the name of the passkey, and the response of its authenticator."""

    name: Text
    client_data: AuthenticatorBytes
    attestation: AuthenticatorBytes
    """The attestation object of WebAuthn, which has the public key."""
    transports: Transports = []


class PasskeyNameRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of a request to rename a passkey."""

    name: Text


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


class Passkey(msgspec.Struct, frozen=True, rename="camel"):
    """A passkey of the account; `id` is a UUID."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    """The time of the last sign-in with it; null: none yet."""


class PasskeyList(msgspec.Struct, frozen=True, rename="camel"):
    """The passkeys of the account, the oldest first."""

    passkeys: list[Passkey]
    limit: int
    """The most passkeys of an account."""


Requirement = Literal["required", "preferred", "discouraged"]
CredentialType = Literal["public-key"]


class RelyingParty(msgspec.Struct, frozen=True):
    """The domain and the name under which an authenticator stores a passkey."""

    id: str
    name: str


class PasskeyUser(msgspec.Struct, frozen=True, rename="camel"):
    """The account for which an authenticator stores a passkey; `id` has the bytes of the account's id."""

    id: str
    name: str
    display_name: str


class KeyParameter(msgspec.Struct, frozen=True):
    """An algorithm of signatures, by its number in COSE."""

    type: CredentialType
    alg: int


class CredentialDescriptor(msgspec.Struct, frozen=True):
    """A credential that the account has already."""

    id: str
    type: CredentialType
    transports: list[str] = []


class AuthenticatorSelection(msgspec.Struct, frozen=True, rename="camel"):
    """The demands on an authenticator."""

    resident_key: Requirement
    require_resident_key: bool
    user_verification: Requirement


class PasskeyCreation(msgspec.Struct, frozen=True, rename="camel"):
    """The options with which a browser makes a passkey: `PublicKeyCredentialCreationOptionsJSON` of WebAuthn."""

    rp: RelyingParty
    user: PasskeyUser
    challenge: str
    pub_key_cred_params: list[KeyParameter]
    timeout: int
    exclude_credentials: list[CredentialDescriptor]
    authenticator_selection: AuthenticatorSelection
    attestation: Literal["none"]


class PasskeyChallenge(msgspec.Struct, frozen=True, rename="camel"):
    """The options with which a browser signs in: `PublicKeyCredentialRequestOptionsJSON` of WebAuthn."""

    challenge: str
    timeout: int
    rp_id: str
    user_verification: Requirement
