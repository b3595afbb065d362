"""Access to orders: an order belongs to the holder of its secret.

A client sends its own secret with the booking, or gets one from the API. The database has only a digest of it. An order
without a secret exists only while guest orders are open, and everybody may then access it.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Self

import msgspec

from api.config import ACCESS_SECRET

_PURPOSE = b"order secret\0"


class Access(msgspec.Struct, frozen=True):
    """The orders that a request may access."""

    digests: frozenset[bytes] = frozenset()
    """The digests of the secrets that the request presents."""
    is_open: bool = False
    """True if everybody may access the orders that were made without a secret."""

    @classmethod
    def of(cls, secrets: Iterable[str], *, is_open: bool) -> Self:
        """Return the access of a request that presents some secrets."""
        return cls(frozenset(map(digest, secrets)), is_open)

    def admits(self, access_digest: bytes | None) -> bool:
        """Return whether the request may access an order; `access_digest` is None for one without a secret."""
        return self.is_open if access_digest is None else access_digest in self.digests


OPEN = Access(is_open=True)
"""The access of a request without a secret while guest orders are open."""


def digest(secret: str) -> bytes:
    """Return the digest of a secret. A secret is random, so a fast hash protects it."""
    return hashlib.sha256(secret.encode()).digest()


def derive_secret(key: str, reference: str) -> str:
    """Return the secret of an order whose client sends none; `key` is the text of `ACCESS_SECRET`.

    A repeat of the request gets the same secret, although the database does not contain it.
    """
    mac = hmac.digest(ACCESS_SECRET.key(key), _PURPOSE + reference.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
