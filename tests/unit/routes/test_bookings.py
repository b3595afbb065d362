"""Every accepted name of a buyer has a visible character."""

import msgspec
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from api.errors import InvalidRequest
from api.http.request_body import decode
from api.routes.bookings import _new_order
from api.schemas import BookingRequest
from api.services.bookings.model import NewOrder
from api.text import limit_key

BLANKS = " \u00a0\u00ad\u115f\u200b\u2060\u2800\u3000\u3164\ufe0f\ufeff\uffa0\U0001bca0\U0001d173\U000e0041"
"""Characters that show nothing."""


def order_of(user_id: str) -> NewOrder:
    body = msgspec.json.encode({"tier": "GA", "quantity": 1, "userId": user_id})
    return _new_order(decode(body, BookingRequest), "show", "key", 10)


@given(st.text(st.one_of(st.sampled_from(BLANKS), st.characters(codec="utf-8")), min_size=1, max_size=5))
@example("\U000e0041")
def test_every_accepted_name_has_a_key_for_the_limits(user_id: str) -> None:
    try:
        order = order_of(user_id)
    except InvalidRequest:
        reject()
    assert order.limit_key
    assert order.limit_key == limit_key(user_id)


@pytest.mark.parametrize("user_id", [*BLANKS, "\U000e0041\U0001d173", " \U0001bca0\u200b"], ids=ascii)
def test_a_name_that_shows_nothing_is_refused_with_the_rule(user_id: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        order_of(user_id)
    rule = "must have a visible character, and no control or direction characters"
    assert refusal.value.details == {"errors": [{"field": "userId", "message": rule}]}
