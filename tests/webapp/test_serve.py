"""The web server: what it tells browsers, what it refuses, and how it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.stack import ROOT, Process, answers, clean_environment, free_port


async def _start(tmp_path: Path, environment: Mapping[str, str]) -> tuple[Process, str]:
    port = free_port()
    process = Process(
        ["webapp"], {**clean_environment(), "WEB_PORT": str(port), **environment}, tmp_path / f"web-{port}.log"
    )
    address = f"http://127.0.0.1:{port}"
    await process.wait_until(lambda: answers(address), "web app")
    return process, address


async def test_one_build_serves_any_address(tmp_path: Path) -> None:
    first, first_url = await _start(tmp_path, {"API_PORT": "3456"})
    second, second_url = await _start(tmp_path, {"PUBLIC_API_URL": "https://api.example.org/v1/"})
    async with httpx.AsyncClient() as http:
        told = [(await http.get(f"{url}/config.js")).text for url in (first_url, second_url)]
        policies = [(await http.get(url)).headers["content-security-policy"] for url in (first_url, second_url)]
        pages = [(await http.get(url)).text for url in (first_url, second_url)]
    await first.stop()
    await second.stop()
    assert '"apiUrl": "http://localhost:3456"' in told[0]
    assert '"apiUrl": "https://api.example.org/v1"' in told[1]
    assert "connect-src 'self' http://localhost:3456;" in policies[0]
    assert "connect-src 'self' https://api.example.org;" in policies[1]
    assert pages[0] == pages[1]


async def test_headers_keep_pages_fresh_and_files_for_ever(tmp_path: Path) -> None:
    process, url = await _start(tmp_path, {})
    script = next((ROOT / ".web" / "build" / "client" / "assets").glob("entry.client-*.js")).name
    async with httpx.AsyncClient(base_url=url) as http:
        page = await http.get("/")
        booking = await http.get("/booking/bk_1")
        missing = await http.get("/no/such/page")
        asset = await http.get(f"/assets/{script}", headers={"Accept-Encoding": "gzip"})
        no_asset = await http.get("/assets/none.js")
        unchanged = await http.get("/", headers={"If-None-Match": page.headers["etag"]})
    await process.stop()
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
        assert "script-src 'self' 'sha256-" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WEB_PORT": "0"}, "WEB_PORT='0' is not allowed: it must be a whole number from 1 to 65535."),
        ({"WEB_PORT": "http"}, "WEB_PORT='http' is not allowed: it must be a whole number from 1 to 65535."),
        ({"PUBLIC_API_URL": "example.org"}, "PUBLIC_API_URL='example.org' is not allowed"),
        ({"PUBLIC_API_URL": "http://x; script-src *"}, "PUBLIC_API_URL='http://x; script-src *' is not allowed"),
        ({"MAX_TICKETS_PER_BOOKING": "many"}, "MAX_TICKETS_PER_BOOKING='many' is not allowed"),
    ],
)
async def test_a_wrong_setting_is_refused_by_name(environment: dict[str, str], sentence: str) -> None:
    code, output = await _run(environment)
    assert code == 1
    assert output.startswith(sentence)
    assert len(output.splitlines()) == 1


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    process, url = await _start(tmp_path, {})
    port = url.rpartition(":")[2]
    code, output = await _run({"WEB_PORT": port})
    await process.stop()
    assert (code, output) == (1, f"Port {port} on 127.0.0.1 cannot be used: Address already in use.\n")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_it_is_one_process_that_ends_when_told(sign: signal.Signals, tmp_path: Path) -> None:
    process, _ = await _start(tmp_path, {})
    assert _children(process.popen.pid) == ""
    os.kill(process.popen.pid, sign)
    assert await process.wait() == 0
    assert process.output() == ""


def _children(pid: int) -> str:
    """Return the ids of its child processes, where the system tells them."""
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
