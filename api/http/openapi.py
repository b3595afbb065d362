"""What the framework's description of the API leaves out or gets wrong."""

from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from litestar.openapi.spec import Link, OpenAPI, OpenAPIResponse, OpenAPIType, Operation, Parameter, PathItem, Schema


@dataclass
class DecoderSchema(Schema):
    """A request body's schema in the words of its decoder, with every limit."""

    document: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, struct: type[msgspec.Struct]) -> "DecoderSchema":
        """Return the schema of a struct that has no other structs in it."""
        _, components = msgspec.json.schema_components([struct])
        return cls(document=components[struct.__name__])

    def to_schema(self) -> dict[str, Any]:
        """Return it as it stands in the description."""
        return self.document


def complete(document: OpenAPI, *, tickets_max: int) -> None:
    """Complete the API's description; `tickets_max`: how many tickets can be booked at once."""
    paths = document.paths or {}
    for path in paths.values():
        for operation in filter(None, (path.get, path.post)):
            for parameter in operation.parameters or []:
                _never_null(cast("Parameter", parameter))
    _link_booking(paths)
    request = document.components.schemas["BookingRequest"].to_schema()
    request["properties"]["quantity"]["maximum"] = tickets_max
    request["properties"]["ticketIds"]["anyOf"][0]["maxItems"] = tickets_max


def _never_null(parameter: Parameter) -> None:
    """Take the null from a text that may be left out: there it would be the text "null"."""
    schema = cast("Schema", parameter.schema)
    if schema.one_of and OpenAPIType.STRING in {one.type for one in schema.one_of if isinstance(one, Schema)}:
        schema.type, schema.one_of = OpenAPIType.STRING, None
    if schema.enum and None in schema.enum:
        schema.type, schema.enum = OpenAPIType.STRING, [choice for choice in schema.enum if choice is not None]


def _link_booking(paths: dict[str, PathItem]) -> None:
    """Say by what a booking is found again."""
    book, found, cancel, code, calendar = (
        cast("Operation", operation)
        for operation in (
            paths["/api/bookings"].post,
            paths["/api/bookings/{reference}"].get,
            paths["/api/bookings/{reference}/cancel"].post,
            paths["/api/bookings/{reference}/tickets/{file}"].get,
            paths["/api/bookings/{reference}/calendar.ics"].get,
        )
    )
    reference = {"reference": "$response.body#/reference"}
    buyer = {"userId": "$request.body#/userId"}
    for status in ("201", "202"):
        cast("OpenAPIResponse", (book.responses or {})[status]).links = {
            "booking": Link(operation_id=found.operation_id, parameters=reference),
            "cancel": Link(operation_id=cancel.operation_id, parameters=reference, request_body=buyer),
        }
    # Not where it was booked: there it may still have to be paid, and has no tickets yet.
    cast("OpenAPIResponse", (found.responses or {})["200"]).links = {
        "firstTicket": Link(operation_id=code.operation_id, parameters={**reference, "file": "1.svg"}),
        "calendar": Link(operation_id=calendar.operation_id, parameters=reference),
    }
