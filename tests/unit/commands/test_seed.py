"""Inventory: the default sizes, the syntax of other sizes, and the positions of seats."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.commands.seed import (
    DEFAULT_INVENTORY,
    TIER_TICKETS_MAX,
    TierPlan,
    parse_inventory,
    row_labels,
)
from api.errors import ConfigError

NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
SIZES = st.integers(1, TIER_TICKETS_MAX)


def test_the_default_is_100_vip_200_front_row_and_1000_ga() -> None:
    assert [(plan.name, plan.capacity, plan.price_minor) for plan in DEFAULT_INVENTORY] == [
        ("VIP", 100, 10_000),
        ("Front Row", 200, 5_000),
        ("GA", 1_000, 1_000),
    ]


def test_the_default_sizes_as_text_give_the_default_inventory() -> None:
    assert parse_inventory("VIP=100,Front Row=200,GA=1000") == DEFAULT_INVENTORY


@given(st.dictionaries(NAMES, SIZES, min_size=1, max_size=6))
def test_sizes_are_parsed_in_their_order(sizes: dict[str, int]) -> None:
    plans = parse_inventory(" , ".join(f"{name} = {size}" for name, size in sizes.items()))
    assert [(plan.name, plan.capacity) for plan in plans] == list(sizes.items())


def test_a_built_in_tier_keeps_its_price_and_an_unknown_one_is_standing() -> None:
    vip, balcony = parse_inventory("VIP=5,Balcony=7")
    assert (vip.price_minor, vip.seats_per_row) == (10_000, 20)
    assert (balcony.price_minor, balcony.seats_per_row) == (1_000, 0)


@pytest.mark.parametrize(
    "name", ["نمی\u200cشود", "PDF\u200c\u0647\u0627", "\U0001f468\u200d\U0001f469\u200d\U0001f467"]
)
def test_a_tier_name_may_have_joiners_in_words_and_emoji(name: str) -> None:
    (tier,) = parse_inventory(f"{name}=7")
    assert tier.name == name


@pytest.mark.parametrize("name", ["A\u200cB", "\u200cمی", "می\u200d", "می \u200cمی", "می\u200c\u200cمی"])
def test_a_tier_name_has_no_other_joiner(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_inventory(f"{name}=7")


@pytest.mark.parametrize("name", ["\ufe0f", "\ufe0e\ufe0f", "\ufe0fA", "A \ufe0f", "\u2764\u200d\ufe0f"])
def test_a_tier_name_has_no_variation_selector_without_a_character(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_inventory(f"{name}=7")


@pytest.mark.parametrize("name", ["\u2764\ufe0f", "1\ufe0f\u20e3"])
def test_a_tier_name_may_have_an_emoji(name: str) -> None:
    (tier,) = parse_inventory(f"{name}=7")
    assert tier.name == name


@pytest.mark.parametrize(("tickets", "rows"), [(1, 1), (20, 1), (21, 2), (41, 3)])
def test_a_partial_last_row_counts(tickets: int, rows: int) -> None:
    vip, ga = parse_inventory(f"VIP={tickets},GA={tickets}")
    assert (vip.rows, ga.rows) == (rows, 0)


@pytest.mark.parametrize(
    ("first", "labels"),
    [(0, ["A", "B"]), (25, ["Z", "AA"]), (51, ["AZ", "BA"]), (701, ["ZZ", "AAA"]), (18_276, ["ZZY", "ZZZ"])],
)
def test_row_labels_run_from_a_to_zzz(first: int, labels: list[str]) -> None:
    assert row_labels(first, 2) == labels


def test_rows_without_a_label_are_refused() -> None:
    with pytest.raises(ConfigError, match="18279 rows of seats: an event can have 18278, A to ZZZ"):
        row_labels(18_277, 2)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", "''"),
        ("VIP", "'VIP'"),
        ("VIP=", "'VIP='"),
        ("=5", "'=5'"),
        ("VIP=0", "'VIP=0'"),
        ("VIP=-1", "'VIP=-1'"),
        ("VIP=1.5", "'VIP=1.5'"),
        ("VIP=many", "'VIP=many'"),
        ("VIP=\uff11\uff10", "'VIP=\uff11\uff10'"),
        ("V\u200bIP=1", r"'V\u200bIP=1'"),
        ("V\u3164IP=1", "'V\u3164IP=1'"),
        ("\u2800=1", "'\u2800=1'"),
        ("V\U000e0101=1", "'V\U000e0101=1'"),
        (f"VIP={TIER_TICKETS_MAX + 1}", f"'VIP={TIER_TICKETS_MAX + 1}'"),
        pytest.param(f"VIP={'9' * 5000}", f"'VIP={'9' * 5000}'", id="5000 digits"),
        ("VIP=1,", "''"),
        ("VIP=1,GA=2,VIP=3", "'VIP=3'"),
    ],
)
def test_malformed_sizes_are_refused_with_their_place_and_the_syntax(text: str, at: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_inventory(text)
    assert str(refusal.value).startswith(f"--inventory {text!r} cannot be read at {at}: it must be NAME=TICKETS")
    assert str(TIER_TICKETS_MAX) in str(refusal.value)


def test_names_are_stored_in_normalization_form_c() -> None:
    (plan,) = parse_inventory("Zoe\u0308=5")
    assert plan.name == "Zo\u00eb"


@given(st.integers(1, 300), st.integers(1, 40))
def test_one_position_between_rows_is_unused(capacity: int, seats_per_row: int) -> None:
    position = 0
    for number in range(capacity):
        position += 2 if number and number % seats_per_row == 0 else 1
    plan = TierPlan(name="VIP", capacity=capacity, price_minor=1, seats_per_row=seats_per_row)
    assert plan.last_position == position
    assert msgspec.structs.replace(plan, seats_per_row=0).last_position == capacity
