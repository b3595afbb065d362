"""Access to orders: the holder of the secret, and everybody while guest orders are open."""

import base64
import re
from typing import NamedTuple

import pytest

from api.http.access import _PRESENTED, valid_secret
from api.services.access import Access, derive_secret, digest, link_secret
from api.services.bookings.model import Item, NewOrder
from tests.unit.services.bookings.values import request

OWN, FOREIGN = "a" * 43, "b" * 43
KEY, OTHER_KEY = (f"acsec_{base64.b64encode(bytes([number]) * 24).decode()}" for number in (1, 2))


class Order(NamedTuple):
    reference: str
    access_digest: bytes | None
    account_id: int | None = None
    link_generation: int = 0


@pytest.mark.parametrize(
    ("access", "with_secret", "without_secret"),
    [
        (Access(), False, False),
        (Access(is_open=True), False, True),
        (Access.of([FOREIGN], key=KEY, is_open=False), False, False),
        (Access.of([FOREIGN], key=KEY, is_open=True), False, True),
        (Access.of([OWN], key=KEY, is_open=False), True, False),
        (Access.of([FOREIGN, OWN], key=KEY, is_open=True), True, True),
    ],
)
def test_access_to_orders_with_and_without_a_secret(access: Access, *, with_secret: bool, without_secret: bool) -> None:
    orders = (Order("r-1", digest(OWN)), Order("r-1", None))
    assert [access.admits(order) for order in orders] == [with_secret, without_secret]


def test_a_made_secret_depends_on_the_key_and_the_reference_only() -> None:
    secret = derive_secret(KEY, "r-1")
    assert valid_secret(secret) == secret == derive_secret(KEY, "r-1")
    assert len({secret, derive_secret(KEY, "r-2"), derive_secret(OTHER_KEY, "r-1")}) == 3
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)


@pytest.mark.parametrize("reference", ["r-1", "bk_0123", "a.b:~+=@-", "x" * 128])
def test_the_secret_of_a_link_admits_to_its_order_only(reference: str) -> None:
    secret = link_secret(KEY, reference)
    access = Access.of([secret], key=KEY, is_open=False)
    assert access.admits(Order(reference, digest(OWN)))
    assert access.admits(Order(reference, None))
    assert not access.admits(Order(f"{reference}x", digest(OWN)))
    assert not access.admits(Order(f"{reference}x", None))


@pytest.mark.parametrize("reference", ["r-1", "1.r-1", "a.b:~+=@-", "x" * 128])
def test_a_link_admits_to_the_orders_of_its_generation_only(reference: str) -> None:
    orders = [Order(reference, digest(OWN), link_generation=generation) for generation in range(4)]
    for generation in range(4):
        secret = link_secret(KEY, reference, generation)
        assert _PRESENTED.fullmatch(secret)
        access = Access.of([secret], key=KEY, is_open=True)
        assert [access.admits(order) for order in orders] == [generation == number for number in range(4)]


def test_the_link_of_an_order_with_a_similar_reference_forges_no_generation() -> None:
    own = link_secret(KEY, "1.victim")
    access = Access.of([own.replace("L1.", "L2.", 1)], key=KEY, is_open=False)
    assert access.links == frozenset()


@pytest.mark.parametrize(
    "forged",
    [
        link_secret(KEY, "r-2").replace("r-2", "r-1"),
        link_secret(OTHER_KEY, "r-1"),
        link_secret(KEY, "r-1")[:-1],
        link_secret(KEY, "r-1").replace("L1", "L2"),
        f"L1.r-1.{derive_secret(KEY, 'r-1')}",
        link_secret(KEY, "r-1", 1).replace("L2.1.", "L2.2."),
        link_secret(KEY, "r-1", 1).replace("L2.1.", "L1."),
        link_secret(KEY, "r-1", 1).replace("L2.1.", "L2.01."),
        link_secret(KEY, "r-1", 0).replace("L1.", "L2.0."),
        *("", "L1", "L2", "L2.1.r-1", "L2.1..x", "L1.", "L1..", "L1.r-1", "L1.r-1.", "r-1"),
    ],
)
def test_a_forged_secret_of_a_link_admits_to_nothing(forged: str) -> None:
    access = Access.of([forged], key=KEY, is_open=False)
    assert access.links == frozenset()
    assert not access.admits(Order("r-1", digest(OWN)))


# --- The digest of a request -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (request(), "89ee56ed3d0668cb3aa00502b31e7c5de86333248a95e5fe58babc2f50415666"),
        (request(expected_total=25.0), "62be22c3058be35d4f95185248fdb65668878bfa5b4f274abdbcd1665e5b96db"),
        (
            request(items=(Item(tier="VIP", quantity=1), Item(tier="GA", quantity=2))),
            "7df4619aef6c16c138a7919924c0facb0abc68c4ef0335daf1884dd9817890a6",
        ),
    ],
)
def test_a_request_without_a_secret_has_the_digest_of_earlier_releases(new: NewOrder, expected: str) -> None:
    assert new.digest.hex() == expected


@pytest.mark.parametrize("expected_total", [None, 25.0])
def test_a_request_with_another_secret_is_another_request(expected_total: float | None) -> None:
    secrets = (None, digest(OWN), digest(FOREIGN))
    digests = {request(access_digest=secret, expected_total=expected_total).digest for secret in secrets}
    assert len(digests) == 3
    assert request(access_digest=digest(OWN), expected_total=expected_total).digest in digests
