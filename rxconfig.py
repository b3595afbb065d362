"""Reflex's configuration; the command line is `python -m webapp`."""

import reflex as rx

from webapp.frontend import FrontendFiles
from webapp.sharing import redis_url

_REDIS_URL = redis_url()
_MODES = rx.constants.StateManagerMode

config = rx.Config(
    app_name="webapp",
    # With events under one prefix, a reverse proxy needs three rules: /api/*, /_reflex/* and files.
    backend_path="/_reflex",
    plugins=[FrontendFiles()],
    disable_plugins=[rx.plugins.SitemapPlugin],
    # State is only a view of what the API answers, so losing it costs nothing and it needs no disk.
    state_manager_mode=_MODES.REDIS if _REDIS_URL else _MODES.MEMORY,
    redis_url=_REDIS_URL,
    cors_allowed_origins=[],
    # Every browser that asks over HTTPS takes Brotli, a sixth smaller; gzip is for the others.
    frontend_compression_formats=["brotli", "gzip"],
    telemetry_enabled=False,
    show_built_with_reflex=False,
)
