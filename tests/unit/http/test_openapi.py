"""The documentation of refusals."""

from litestar.openapi.datastructures import ResponseSpec

from api.errors import NotFound, UnknownEvent
from api.http.openapi import REFUSALS_OF_EVERY_ROUTE, refusals
from api.http.problems import MEDIA_TYPE


def test_a_documented_status_lists_its_codes_and_their_meaning() -> None:
    documented = refusals([UnknownEvent, NotFound])
    assert documented.keys() == {404, *(kind.status for kind in REFUSALS_OF_EVERY_ROUTE)}
    assert all(isinstance(spec, ResponseSpec) and spec.media_type == MEDIA_TYPE for spec in documented.values())
    assert documented[404].description == (
        "`not_found`: The requested object does not exist.\n\n`unknown_event`: No event has this slug."
    )
