"""Reflex's configuration; the command line is `python -m webapp`."""

import reflex as rx

from webapp.frontend import FrontendFiles

config = rx.Config(
    app_name="webapp",
    plugins=[FrontendFiles()],
    disable_plugins=[rx.plugins.SitemapPlugin],
    # Browsers accept Brotli over HTTPS only; gzip is for the others.
    frontend_compression_formats=["brotli", "gzip"],
    telemetry_enabled=False,
    show_built_with_reflex=False,
)
