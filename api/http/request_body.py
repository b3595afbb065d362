"""How a request's JSON body is read: strictly, and with the field at fault in each refusal."""

from typing import Any, Generic, TypeVar

import msgspec
from litestar.dto import MsgspecDTO

from api.errors import InvalidRequest, UnsupportedMediaType, invalid
from api.http.openapi import DecoderSchema

T = TypeVar("T", bound=msgspec.Struct)


class StrictBody(MsgspecDTO[T], Generic[T]):
    """Decodes a body into its struct as it stands: the framework's own way takes the text "2" for a number."""

    def decode_bytes(self, value: bytes) -> Any:
        """Return the body's struct.

        Raises:
            UnsupportedMediaType: the body is not sent as JSON.
            InvalidRequest: it is not JSON, or not of the struct's shape.
        """
        content_type = self.asgi_connection.headers.get("content-type", "application/json")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType(content_type)
        try:
            return msgspec.json.decode(value, type=self.model_type)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"not valid JSON: {error}") from None

    @classmethod
    def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:  # noqa: ARG003
        """Document the struct as its decoder takes it: the framework's own words lack some of the limits."""
        reference = schema_creator.for_field_definition(field_definition)
        schema_creator.schema_registry.from_reference(reference).schema = DecoderSchema.of(cls.model_type)
        return reference
