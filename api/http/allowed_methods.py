"""OPTIONS for paths that several handlers share: the framework lists only the methods of the first one."""

from litestar import Response, route
from litestar.handlers import HTTPRouteHandler


def allow(path: str, *methods: str) -> HTTPRouteHandler:
    """Return the handler that lists the supported methods of a path. It has to precede the others."""
    allowed = ", ".join(sorted({*methods, "OPTIONS"}))

    @route(path, http_method="OPTIONS", status_code=204, include_in_schema=False)
    async def get_methods() -> Response[None]:
        return Response(None, headers={"Allow": allowed})

    return get_methods
