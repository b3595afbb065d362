"""Reflex's configuration of both apps; the command line is `python -m webapp`."""

import reflex as rx

from webapp.apps import chosen_app
from webapp.frontend import FrontendFiles

_app = chosen_app()

config = rx.Config(
    app_name="webapp",
    app_module_import=_app.module,
    frontend_path=_app.path,
    backend_path=_app.path,
    plugins=[FrontendFiles(_app)],
    disable_plugins=[rx.plugins.SitemapPlugin],
    # Browsers accept Brotli over HTTPS only; gzip is for the others.
    frontend_compression_formats=["brotli", "gzip"],
    # States stay in the memory of their process, because they depend on its connections.
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    telemetry_enabled=False,
    show_built_with_reflex=False,
)
