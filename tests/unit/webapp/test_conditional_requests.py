"""Conditional requests to the web server (RFC 9110)."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from webapp.serve import Site

PAGE = b"<!doctype html><title>Concerts</title>"


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "index.html").write_bytes(PAGE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Site(tmp_path)), base_url="http://site") as client:
        yield client


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"other", {}', 304),
        ("*", 304),
        ('"other"', 200),
        ("W/", 200),
    ],
)
async def test_an_etag_is_compared_weakly(client: httpx.AsyncClient, condition: str, status: int) -> None:
    etag = (await client.get("/")).headers["ETag"]
    response = await client.get("/", headers={"If-None-Match": condition.format(etag)})
    assert (response.status_code, response.content) == (status, b"" if status == 304 else PAGE)


async def test_an_etag_takes_precedence_over_a_time(client: httpx.AsyncClient) -> None:
    headers = {"If-None-Match": '"other"', "If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"}
    assert (await client.get("/", headers=headers)).status_code == 200


async def test_a_range_of_another_version_is_the_whole_file(client: httpx.AsyncClient) -> None:
    headers = {"Range": "bytes=0-4"}
    part = await client.get("/", headers=headers)
    assert (part.status_code, part.content) == (206, PAGE[:5])
    whole = await client.get("/", headers=headers | {"If-Range": '"other"'})
    assert (whole.status_code, whole.content) == (200, PAGE)
