"""The components that our browser modules have, as pages use them."""

import pytest
import reflex as rx

from webapp.components.browser import Part


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
