"""The web server: its responses, its settings and its end."""

import asyncio
import html
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.stack import PLAIN_HTTP, ROOT, Process, clean_environment, free_port, responds

pytestmark = pytest.mark.xdist_group("serve")

_SETTINGS = re.compile(r'data-settings="([^"]*)"')
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"')


async def _start(tmp_path: Path, environment: Mapping[str, str]) -> tuple[Process, str]:
    port = free_port()
    process = Process(
        ["webapp"],
        {**clean_environment(), "DATA_DIR": str(tmp_path), "WEB_PORT": str(port), **environment},
        tmp_path / f"web-{port}.log",
    )
    address = f"http://127.0.0.1:{port}"
    await process.wait_until(lambda: responds(address), "web app")
    return process, address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a web server with default settings, for many tests."""
    process, address = await _start(tmp_path_factory.mktemp("web"), {})
    yield address
    await process.stop()


async def test_one_build_serves_any_address(tmp_path: Path) -> None:
    first, first_url = await _start(tmp_path, {"API_PORT": "3456"})
    second, second_url = await _start(tmp_path, {"PUBLIC_API_URL": "https://api.example.org/v1/"})
    async with httpx.AsyncClient(verify=PLAIN_HTTP) as http:
        pages = [(await http.get(url)).text for url in (first_url, second_url)]
        policies = [html.unescape(_POLICY.findall(page)[0]) for page in pages]
        settings = [json.loads(html.unescape(_SETTINGS.findall(page)[0])) for page in pages]
    await first.stop()
    await second.stop()
    assert settings == [
        {"apiUrl": "http://localhost:3456", "openOrders": True},
        {"apiUrl": "https://api.example.org/v1", "openOrders": False},
    ]
    assert "connect-src 'self' http://localhost:3456;" in policies[0]
    assert "connect-src 'self' https://api.example.org;" in policies[1]
    # The API draws the tickets' codes.
    assert "img-src 'self' data: http://localhost:3456;" in policies[0]
    assert "img-src 'self' data: https://api.example.org;" in policies[1]
    # Both pages are equal except for the addresses, and for the open orders of a loopback address.
    for longer, shorter in (
        ("http://localhost:3456", "https://api.example.org/v1"),
        ("http://localhost:3456", "https://api.example.org"),
        ("openOrders&quot;: true", "openOrders&quot;: false"),
    ):
        pages[0] = pages[0].replace(longer, "API")
        pages[1] = pages[1].replace(shorter, "API")
    assert pages[0] == pages[1]


async def test_the_server_listens_on_a_host_name(tmp_path: Path) -> None:
    process, _ = await _start(tmp_path, {"API_HOST": "LocalHost"})
    await process.stop()


async def test_headers_keep_pages_fresh_and_files_for_ever(url: str) -> None:
    script = next((ROOT / ".web" / "build" / "client" / "assets").glob("entry.client-*.js")).name
    async with httpx.AsyncClient(base_url=url, verify=PLAIN_HTTP) as http:
        page = await http.get("/")
        booking = await http.get("/booking/bk_1")
        missing = await http.get("/no/such/page")
        asset = await http.get(f"/assets/{script}", headers={"Accept-Encoding": "gzip"})
        no_asset = await http.get("/assets/none.js")
        unchanged = await http.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert [response.status_code for response in (page, booking, missing, no_asset, unchanged)] == [
        200,
        200,
        404,
        404,
        304,
    ]
    assert page.headers["cache-control"] == no_asset.headers["cache-control"] == "no-cache"
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-encoding"] == "gzip"
    for response in (page, missing, asset):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["content-security-policy"] == "frame-ancestors 'none'"
    for response in (page, missing):
        assert "script-src 'self' 'sha256-" in html.unescape(_POLICY.findall(response.text)[0])


async def test_every_page_has_its_status_and_every_other_address_404(url: str) -> None:
    routes = json.loads((ROOT / ".web" / "routes.json").read_text())
    pages = {"/" + re.sub(r"\[[^]]+\]", "x-1", route).replace("index", "") for route in routes if route != "404"}
    assert {"/", "/bookings", "/booking/x-1"} <= pages
    others = {
        "/no-such-page",
        "/booking",
        "/booking/x/y",
        "/event/x/y",
        "/assets/none.js",
        "/x.html",
        "/../rxconfig.py",
    }
    async with httpx.AsyncClient(base_url=url, verify=PLAIN_HTTP, follow_redirects=True) as http:
        responses = {path: await http.get(path) for path in pages | others}
    assert {path: response.status_code for path, response in responses.items()} == {
        **dict.fromkeys(pages, 200),
        **dict.fromkeys(others, 404),
    }
    for response in responses.values():
        assert response.headers["content-type"].replace('"', "") == "text/html; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("", None)],
)
async def test_files_are_compressed_and_requested_once(accepted: str, encoding: str | None, url: str) -> None:
    client = ROOT / ".web" / "build" / "client"
    script = max((client / "assets").glob("*.js"), key=lambda path: path.stat().st_size)
    paths = ("/", "/booking/x", "/app.css", f"/assets/{script.name}")
    async with httpx.AsyncClient(base_url=url, verify=PLAIN_HTTP, headers={"Accept-Encoding": accepted}) as http:
        first = {path: await http.get(path) for path in paths}
        again = {path: await http.get(path, headers={"If-None-Match": first[path].headers["etag"]}) for path in paths}
    assert {first[path].headers.get("content-encoding") for path in paths} == {encoding}
    for path in paths:
        assert "Accept-Encoding" in first[path].headers["vary"]
        assert again[path].status_code == 304
        assert again[path].content == b""
    if encoding:
        assert int(first[paths[-1]].headers["content-length"]) < script.stat().st_size / 2


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WEB_PORT": "0"}, "WEB_PORT='0' is not allowed: it must be a whole number from 1 to 65535."),
        ({"WEB_PORT": "http"}, "WEB_PORT='http' is not allowed: it must be a whole number from 1 to 65535."),
        ({"PUBLIC_API_URL": "example.org"}, "PUBLIC_API_URL='example.org' is not allowed"),
        ({"PUBLIC_API_URL": "http://x; script-src *"}, "PUBLIC_API_URL='http://x; script-src *' is not allowed"),
    ],
)
async def test_a_wrong_setting_is_refused_by_name(environment: dict[str, str], sentence: str) -> None:
    code, output = await _run(environment)
    assert code == 1
    assert output.startswith(sentence)
    assert len(output.splitlines()) == 1


async def test_a_used_port_is_named(tmp_path: Path) -> None:
    process, url = await _start(tmp_path, {})
    port = url.rpartition(":")[2]
    code, output = await _run({"WEB_PORT": port})
    await process.stop()
    expected = f"Port {port} on 127.0.0.1 cannot be used: Address already in use. Choose another with WEB_PORT.\n"
    assert (code, output) == (1, expected)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_the_server_is_one_process_that_ends_on_a_signal(sign: signal.Signals, tmp_path: Path) -> None:
    # The server logs a warning if the machine's limit of open files does not admit the default of 20,000 connections.
    process, _ = await _start(tmp_path, {"CONNECTIONS_MAX": "100"})
    assert _children(process.popen.pid) == ""
    os.kill(process.popen.pid, sign)
    assert await process.wait() == 0
    assert process.output() == ""


def _children(pid: int) -> str:
    """Return the ids of a process's children. Only Linux has this file."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return children.read_text() if children.exists() else ""


async def _run(environment: Mapping[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webapp"),
        cwd=ROOT,
        env={**clean_environment(), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()
