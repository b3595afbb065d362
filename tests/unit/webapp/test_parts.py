"""The components that our browser modules have, as pages use them."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest
import reflex as rx

from api import schemas
from webapp.apps import ROOT
from webapp.components.browser import Part
from webapp.components.event_view import EventView
from webapp.components.events import Event
from webapp.components.order import OrderEvent, OrderView
from webapp.pages.bookings import Bookings


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


@pytest.mark.parametrize("shown", [Event, OrderEvent])
def test_pages_name_the_fields_of_an_event_as_the_api_does(shown: type) -> None:
    on_the_wire = {field.encode_name for field in msgspec.structs.fields(schemas.Event)}
    assert {field.name for field in fields(shown)} - on_the_wire == set()


_DERIVED = {
    EventView: """
        import { deriveView } from "./webapp/js/event/derive.js";
        import { INITIAL_STATE } from "./webapp/js/event/state.js";
        const checkout = { locked: false, wait: 0 };
        const view = deriveView(INITIAL_STATE, { now: 0, serverNow: 0, checkout, isOwn: () => false });
    """,
    OrderView: """
        import { deriveOrderPage, INITIAL_STATE } from "./webapp/js/orders/page_view.js";
        const view = deriveOrderPage(INITIAL_STATE, 0, "");
    """,
    Bookings: """
        import { deriveList, INITIAL_STATE } from "./webapp/js/orders/list_view.js";
        const view = deriveList(INITIAL_STATE, 0);
    """,
}


@pytest.mark.parametrize("shown", list(_DERIVED))
def test_pages_name_the_fields_that_the_browser_derives(shown: type) -> None:
    script = f"{_DERIVED[shown]} console.log(JSON.stringify(Object.keys(view)))"
    node = Path(sys.executable).with_name("node")
    command = [str(node), "--input-type=module", "--eval", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {field.name for field in fields(shown)} == set(json.loads(done.stdout))
