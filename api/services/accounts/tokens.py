"""The tokens of sessions: access tokens that prove an account for minutes, and the refresh tokens behind them.

An access token is a JWT (HS256) whose header names its key. A refresh token is a random text behind the id of its
session. The next refresh token follows from the present one and a key, so that a repeated exchange gets the same token.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from api.settings.secrets import SESSION_SECRETS

ALGORITHM = "HS256"
ACCOUNT_PREFIX = "acct:"
"""The start of the buyer's name in the orders of an account. Other buyers cannot have such a name."""
_ACCESS, _REFRESH = b"access token", b"refresh token"
_KID_LENGTH = 16
_TOKEN_BYTES = 32
_TYPE = "at+jwt"  # RFC 9068


class Identity(msgspec.Struct, frozen=True):
    """The account of a request, and its session."""

    account_id: int
    public_id: str
    """A UUID."""
    session_id: str
    """A UUID."""

    @property
    def buyer(self) -> str:
        """Return the name of the buyer in the orders of the account."""
        return f"{ACCOUNT_PREFIX}{self.public_id}"


class AccessToken(msgspec.Struct, frozen=True):
    """An access token with its end."""

    text: str
    expires_at: datetime


class RefreshToken(msgspec.Struct, frozen=True):
    """A refresh token: the id of its session, and a secret."""

    session_id: str
    secret: str

    @classmethod
    def new(cls, session_id: str) -> "RefreshToken":
        """Return the first token of a session."""
        return cls(session_id, secrets.token_urlsafe(_TOKEN_BYTES))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken | None":
        """Return the token in a text; None if the text is no token."""
        session_id, _, secret = text.partition(".")
        try:
            return cls(str(UUID(session_id)), secret)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """Return the token as the cookie contains it."""
        return f"{self.session_id}.{self.secret}"

    @property
    def digest(self) -> bytes:
        """Return the digest that the database has. A token is random, so a fast hash protects it."""
        return hashlib.sha256(self.text.encode()).digest()


class _Claims(msgspec.Struct, frozen=True):
    """The claims of an access token; the times are seconds since 1970."""

    sub: str
    aid: int
    sid: str
    iat: int
    exp: int


class SessionKeys:
    """The keys of sessions. The first one signs, and all of them verify.

    Args:
        text: the text of `SESSION_SECRETS`.
    """

    def __init__(self, text: str) -> None:
        keys = [SESSION_SECRETS.key(secret) for secret in SESSION_SECRETS.split(text)]
        access = [_jwk(_derive(key, _ACCESS)) for key in keys]
        self._signing, self._set = access[0], KeySet([*access])
        self._refresh = [_derive(key, _REFRESH) for key in keys]

    def issue(self, identity: Identity, now: datetime, *, valid_s: int) -> AccessToken:
        """Return an access token that is valid for `valid_s` seconds from `now`."""
        key = self._signing
        issued_at = int(now.timestamp())
        claims = _Claims(identity.public_id, identity.account_id, identity.session_id, issued_at, issued_at + valid_s)
        header = {"alg": ALGORITHM, "typ": _TYPE, "kid": key.kid}
        text = jwt.encode(header, msgspec.to_builtins(claims), key, algorithms=[ALGORITHM])
        return AccessToken(text, datetime.fromtimestamp(issued_at, UTC) + timedelta(seconds=valid_s))

    def read(self, text: str, now: datetime) -> Identity | None:
        """Return the identity in an access token; None if the token is not valid at `now`."""
        try:
            token = jwt.decode(text, self._set, algorithms=[ALGORITHM])
            claims = msgspec.convert(token.claims, _Claims)
        except (JoseError, ValueError, TypeError):
            # msgspec's errors are ValueErrors. joserfc raises TypeError for a header that is no object.
            return None
        if token.header.get("typ") != _TYPE or now.timestamp() >= claims.exp:
            return None
        return Identity(claims.aid, claims.sub, claims.sid)

    def successors(self, token: RefreshToken, generation: int) -> Iterator[RefreshToken]:
        """Yield the next token after that of a generation, for each key. The first key makes new tokens."""
        message = f"{generation}.{token.text}".encode()
        for key in self._refresh:
            mac = hmac.digest(key, message, hashlib.sha256)
            yield RefreshToken(token.session_id, base64.urlsafe_b64encode(mac).decode().rstrip("="))


def _derive(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, purpose, hashlib.sha256)


def _jwk(key: bytes) -> OctKey:
    """Return a key with its id, which follows from the key."""
    kid = hashlib.sha256(key).hexdigest()[:_KID_LENGTH]
    return OctKey.import_key(key, {"kid": kid, "use": "sig", "alg": ALGORITHM})
