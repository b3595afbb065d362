"""Access to orders: an order belongs to the holder of its secret, and to the account that booked or claimed it.

A client sends its own secret with the booking, or gets one from the API. The database has only a digest of it. A guest
order without a secret exists only while guest orders are open, and everybody may then access it. The links in e-mails
have secrets of their own, which the API derives from the reference.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Protocol, Self

import msgspec

from api.settings.secrets import ACCESS_SECRET

_PURPOSE = b"order secret\0"
_LINK_PURPOSE = b"order link\0"
_LINK = "L1"
"""The version of the secrets of links, with which they begin. Other secrets contain no dot."""


class HasAccess(Protocol):
    """An order, as far as the access to it is concerned."""

    @property
    def reference(self) -> str:
        """Return the order's reference."""
        ...

    @property
    def access_digest(self) -> bytes | None:
        """Return the SHA-256 of the order's secret; None if it was made without a secret."""
        ...

    @property
    def account_id(self) -> int | None:
        """Return the account of the buyer; None if the order belongs to no account."""
        ...


class Access(msgspec.Struct, frozen=True):
    """The orders that a request may access."""

    digests: frozenset[bytes] = frozenset()
    """The digests of the secrets that the request presents."""
    links: frozenset[str] = frozenset()
    """The references of the orders to which the request presents the secrets of links."""
    is_open: bool = False
    """True if everybody may access the guest orders that were made without a secret."""
    account_id: int | None = None
    """The account of the request; None if the request has no account."""

    @classmethod
    def of(cls, secrets: Iterable[str], *, key: str, is_open: bool, account_id: int | None = None) -> Self:
        """Return the access of a request that presents some secrets; `key` is the text of `ACCESS_SECRET`."""
        presented = list(secrets)
        links = frozenset(
            reference for secret in presented if (reference := _linked_reference(key, secret)) is not None
        )
        return cls(frozenset(map(digest, presented)), links, is_open, account_id)

    def admits(self, order: HasAccess) -> bool:
        """Return whether the request may access an order."""
        if order.reference in self.links or self.owns(order):
            return True
        if order.access_digest is None:
            return self.is_open and order.account_id is None
        return order.access_digest in self.digests

    def owns(self, order: HasAccess) -> bool:
        """Return whether the order belongs to the account of the request."""
        return self.account_id is not None and order.account_id == self.account_id


def digest(secret: str) -> bytes:
    """Return the digest of a secret. A secret is random, so a fast hash protects it."""
    return hashlib.sha256(secret.encode()).digest()


def derive_secret(key: str, reference: str) -> str:
    """Return the secret of an order whose client sends none; `key` is the text of `ACCESS_SECRET`.

    A repeat of the request gets the same secret, although the database does not contain it.
    """
    return _mac(key, _PURPOSE, reference)


def link_secret(key: str, reference: str) -> str:
    """Return the secret of the links to an order in e-mails; `key` is the text of `ACCESS_SECRET`.

    It gives the same access as the order's own secret, and the database does not contain it.
    """
    return f"{_LINK}.{reference}.{_mac(key, _LINK_PURPOSE, reference)}"


def _linked_reference(key: str, secret: str) -> str | None:
    """Return the reference in the secret of a link; None if the secret is not valid."""
    version, _, rest = secret.partition(".")
    reference = rest.rpartition(".")[0]
    if version != _LINK or not reference:
        return None
    return reference if hmac.compare_digest(link_secret(key, reference).encode(), secret.encode()) else None


def _mac(key: str, purpose: bytes, reference: str) -> str:
    mac = hmac.digest(ACCESS_SECRET.key(key), purpose + reference.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
