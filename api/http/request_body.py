"""Strict decoding of JSON request bodies. Each refusal names the field at fault."""

from typing import Any, Generic, TypeVar

import msgspec
from litestar.dto import MsgspecDTO

from api.errors import InvalidRequest, UnsupportedMediaType, invalid
from api.http.openapi import DecoderSchema

T = TypeVar("T", bound=msgspec.Struct)


class StrictBody(MsgspecDTO[T], Generic[T]):
    """Decode a body without conversions. The framework's own decoder accepts the text "2" as a number."""

    def decode_bytes(self, value: bytes) -> Any:
        """Return the body's struct.

        Raises:
            UnsupportedMediaType: the content type is not JSON.
            InvalidRequest: the body is not JSON or does not match the struct.
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
        """Document the struct with the limits of its decoder, some of which the framework omits."""
        reference = schema_creator.for_field_definition(field_definition)
        schema_creator.schema_registry.from_reference(reference).schema = DecoderSchema.of(cls.model_type)
        return reference
