"""Access to orders: an order belongs to the holder of its secret, and to the account that booked or claimed it.

A client sends its own secret with the booking, or gets one from the API. The database has only a digest of it. A guest
order without a secret exists only while guest orders are open, and everybody may then access it. The links in e-mails
have secrets of their own, which the API derives from the reference and the order's generation of links. A revocation
begins the next generation.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Protocol, Self

import msgspec

from api.settings.secrets import ACCESS_SECRET

_PURPOSE = b"order secret\0"
_LINK_PURPOSE = b"order link\0"
_GENERATION_PURPOSE = b"order link of a generation\0"
"""A purpose of its own: a reference may begin with digits and a dot, like the text of a later generation."""
_LINK = re.compile(r"(?s)L1\.(?P<first>.+)\.[^.]*|L2\.(?P<generation>[1-9][0-9]{0,8})\.(?P<later>.+)\.[^.]*")
"""The secrets of links: of the generation 0, and of a later one. Other secrets contain no dot."""


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

    @property
    def link_generation(self) -> int:
        """Return the number of times that the links of the order were revoked."""
        ...


class Access(msgspec.Struct, frozen=True):
    """The orders that a request may access."""

    digests: frozenset[bytes] = frozenset()
    """The digests of the secrets that the request presents."""
    links: frozenset[tuple[str, int]] = frozenset()
    """The references of the orders to which the request presents the secrets of links, with the links' generations."""
    is_open: bool = False
    """True if everybody may access the guest orders that were made without a secret."""
    account_id: int | None = None
    """The account of the request; None if the request has no account."""

    @classmethod
    def of(cls, secrets: Iterable[str], *, key: str, is_open: bool, account_id: int | None = None) -> Self:
        """Return the access of a request that presents some secrets; `key` is the text of `ACCESS_SECRET`."""
        presented = list(secrets)
        links = frozenset(link for secret in presented if (link := _read_link(key, secret)) is not None)
        return cls(frozenset(map(digest, presented)), links, is_open, account_id)

    def admits(self, order: HasAccess) -> bool:
        """Return whether the request may access an order."""
        if (order.reference, order.link_generation) in self.links or self.owns(order):
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


def link_secret(key: str, reference: str, generation: int = 0) -> str:
    """Return the secret of the links to an order in e-mails; `key` is the text of `ACCESS_SECRET`.

    It gives the same access as the order's own secret until the links of its generation are revoked. The database does
    not contain it.
    """
    if generation == 0:
        return f"L1.{reference}.{_mac(key, _LINK_PURPOSE, reference)}"
    named = f"{generation}.{reference}"
    return f"L2.{named}.{_mac(key, _GENERATION_PURPOSE, named)}"


def _read_link(key: str, secret: str) -> tuple[str, int] | None:
    """Return the reference in the secret of a link and the link's generation; None if the secret is not valid."""
    if not (parts := _LINK.fullmatch(secret)):
        return None
    reference, generation = parts["first"] or parts["later"], int(parts["generation"] or 0)
    expected = link_secret(key, reference, generation)
    return (reference, generation) if hmac.compare_digest(expected.encode(), secret.encode()) else None


def _mac(key: str, purpose: bytes, reference: str) -> str:
    mac = hmac.digest(ACCESS_SECRET.key(key), purpose + reference.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
