"""The service worker of a small build: its page opens without a server, and a deployment replaces it everywhere."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.unit.webapp.test_prerendered import PAGE
from tests.webapp.visitors import OpenPage
from webapp.prerendered import write_site
from webapp.settings import PageSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER = "/booking/_/"
SCRIPT = "document.querySelector('h1').textContent = {text!r};"


class Handler(SimpleHTTPRequestHandler):
    """Serves files without a line in the log for each request."""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class FileServer:
    """Serves directories in turn, always on the same port."""

    def __init__(self) -> None:
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self, directory: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), partial(Handler, directory=str(directory)))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def deploy(directory: Path, number: int) -> Path:
    """Write the site of a build whose script writes the number of the build into the page."""
    build, site = directory / f"build-{number}", directory / f"site-{number}"
    (build / "assets").mkdir(parents=True)
    (build / "booking" / "_").mkdir(parents=True)
    (build / "assets" / "style.css").write_text("h1{color:navy}")
    (build / "assets" / f"entry-{number}.js").write_text(SCRIPT.format(text=f"build {number}"))
    page = PAGE.replace("/assets/entry.js", f"/assets/entry-{number}.js")
    page = page.replace("<body>", f"<body><h1></h1><script src='/assets/entry-{number}.js'></script>")
    (build / "booking" / "_" / "index.html").write_text(page)
    write_site(build, site, PageSettings(api_url="http://127.0.0.1:9"))
    for file in site.rglob("*"):
        # The file server compares times in whole seconds, and builds of the same second would look equal.
        os.utime(file, (number * 60, number * 60))
    return site


async def stored_builds(page: Page) -> list[str]:
    """Wait for the worker of the present deployment, and return the names of the stored builds."""
    names: list[str] = await page.evaluate(
        """async () => {
            const registration = await navigator.serviceWorker.register("/sw.js");
            await registration.update();
            while (registration.installing || registration.waiting || registration.active?.state !== "activated")
              await new Promise((resolve) => setTimeout(resolve, 20));
            return caches.keys();
        }"""
    )
    return names


async def test_the_page_opens_without_a_server_and_never_in_an_old_build(tmp_path: Path, visit: OpenPage) -> None:
    server = FileServer()
    server.start(deploy(tmp_path, 1))
    try:
        page = await visit(f"{server.url}{ORDER}", service_workers=True)
        heading = page.get_by_role("heading")
        await expect(heading).to_have_text("build 1")
        first = await stored_builds(page)
        assert len(first) == 1
        server.stop()
        await page.goto(f"{server.url}/booking/any-reference")
        await expect(heading).to_have_text("build 1")

        server.start(deploy(tmp_path, 2))
        await page.goto(f"{server.url}{ORDER}")
        await expect(heading).to_have_text("build 2")
        second = await stored_builds(page)
        assert len(second) == 1
        assert second != first
        server.stop()
        await page.reload()
        await expect(heading).to_have_text("build 2")
    finally:
        server.stop()
