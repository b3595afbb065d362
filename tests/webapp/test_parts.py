"""The components that our browser modules have, as pages use them."""

from dataclasses import fields

import msgspec
import pytest
import reflex as rx

from api import schemas
from webapp.components.browser import Part
from webapp.components.concerts import Concert
from webapp.components.order import OrderEvent


class Ruler(Part):
    library = "$/utils/ruler"
    tag = "Ruler"

    length: rx.Var[int]


def test_a_property_that_a_part_does_not_have_is_refused_instead_of_becoming_style() -> None:
    with pytest.raises(TypeError, match="Ruler has no lenght, unit"):
        Ruler.create(lenght=3, unit="cm")


def test_a_part_takes_its_own_properties_and_those_of_every_element() -> None:
    drawn = Ruler.create("a mark", length=3, class_name="ruler", custom_attrs={"role": "img"}, on_click=rx.noop())
    assert {"length:3", 'className:"ruler"', 'role:"img"'} <= set(drawn.render()["props"])
    assert drawn.style == {}


@pytest.mark.parametrize("shown", [Concert, OrderEvent])
def test_pages_name_the_fields_of_an_event_as_the_api_does(shown: type) -> None:
    on_the_wire = {field.encode_name for field in msgspec.structs.fields(schemas.Event)}
    assert {field.name for field in fields(shown)} - on_the_wire == set()
