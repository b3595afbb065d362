"""Short references: one for each order, and typing errors are detected."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.services.short_reference import IDS, LENGTH, grouped, order_id_of, short_reference

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ORDER_IDS = st.integers(0, IDS - 1)


# Sent e-mails and printed tickets contain the references.
@pytest.mark.parametrize(
    ("order_id", "reference"), [(1, "XZ9JGVWA"), (2, "E7CR059K"), (3, "H7NCNCT8"), (IDS - 1, "SBC5F9D9")]
)
def test_the_short_reference_of_an_order_never_changes(order_id: int, reference: str) -> None:
    assert short_reference(order_id) == reference


@given(ORDER_IDS)
def test_a_short_reference_names_one_order(order_id: int) -> None:
    reference = short_reference(order_id)
    assert len(reference) == LENGTH
    assert set(reference) <= set(ALPHABET)
    assert order_id_of(reference) == order_id


@given(ORDER_IDS)
def test_people_may_write_a_short_reference_in_several_forms(order_id: int) -> None:
    reference = short_reference(order_id)
    assert grouped(reference) == f"{reference[:4]}-{reference[4:]}"
    assert order_id_of(grouped(reference)) == order_id
    assert order_id_of(f" {grouped(reference).lower()} ") == order_id
    assert order_id_of(reference.replace("0", "o").replace("1", "l")) == order_id
    assert order_id_of(reference.replace("1", "I")) == order_id


@given(ORDER_IDS, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_detected(order_id: int, position: int, character: str) -> None:
    reference = short_reference(order_id)
    typed = reference[:position] + character + reference[position + 1 :]
    assert order_id_of(typed) == (order_id if typed == reference else None)


@given(ORDER_IDS)
def test_each_exchange_of_two_characters_is_detected(order_id: int) -> None:
    reference = short_reference(order_id)
    for one, other in itertools.combinations(range(LENGTH), 2):
        typed = list(reference)
        typed[one], typed[other] = typed[other], typed[one]
        assert order_id_of("".join(typed)) == (order_id if typed == list(reference) else None)


@pytest.mark.parametrize(
    "text", ["", "-", "X", "XZ9JGVW", "XZ9JGVWAA", "XZ9JGVWU", "XZ9JGVWÄ", "0XZ9JGVWA", "\u017fZ9JGVWA"]
)
def test_other_texts_are_no_short_references(text: str) -> None:
    assert order_id_of(text) is None
