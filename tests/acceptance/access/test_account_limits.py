"""Limits of accounts over HTTP: refreshes of each session, and changes of a password from each address."""

from pathlib import Path

import httpx
import pytest

from tests.acceptance.access.accounts import ORIGIN, Api, running_api
from tests.acceptance.system import assert_problem

pytestmark = pytest.mark.xdist_group("access")

ANN, BOB = "ann@example.org", "bob@example.org"


async def refresh(api: Api, token: str) -> httpx.Response:
    headers = {"Cookie": f"session={token}", "Origin": ORIGIN}
    return await api.client.post("/api/sessions/refresh", headers=headers)


async def test_refreshes_are_limited_for_each_session(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_api(database_url, tmp_path, sign_ins_per_address_per_minute=1) as api:
        monkeypatch.setattr(api.state.refreshes, "_clock", lambda: 0.0)
        ann, bob = await api.open_session(ANN), await api.open_session(BOB)
        statuses = [(await refresh(api, ann.token.text)).status_code for _ in range(10)]
        limited = await refresh(api, ann.token.text)
        assert statuses == [200] * 10
        assert_problem(limited, 429, "rate_limited")
        assert limited.headers["RateLimit-Policy"] == '"refreshes";q=10;w=60'
        assert "Set-Cookie" not in limited.headers
        assert (await refresh(api, bob.token.text)).status_code == 200
        for token in ("", "x"):
            assert_problem(await refresh(api, token), 401, "unauthorized")


async def test_changes_of_a_password_are_limited_like_sign_ins(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_api(database_url, tmp_path, sign_ins_per_address_per_minute=2) as api:
        monkeypatch.setattr(api.state.sign_ins_from_address, "_clock", lambda: 0.0)
        own = await api.signed_in(ANN)
        body = {"password": "correct horse"}
        responses = [await api.client.put("/api/me/password", json=body, headers=own) for _ in range(3)]
        assert [response.status_code for response in responses] == [204, 204, 429]
        assert responses[-1].headers["RateLimit-Policy"] == '"sign_ins_from_address";q=2;w=60'
