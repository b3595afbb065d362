"""The API listens on a host name, although its server accepts addresses only."""

import httpx

from tests.conftest import StartStack
from tests.stack import PLAIN_HTTP


async def test_the_api_listens_on_a_name(start_stack: StartStack) -> None:
    stack = await start_stack(env={"API_HOST": "LocalHost", "WEB_ORIGINS": "HTTPS://Tickets.Example:443/"})
    async with httpx.AsyncClient(base_url=f"http://localhost:{stack.api_port}", verify=PLAIN_HTTP) as http:
        # Browsers send origins in lower case and without a default port.
        response = await http.get("/api/tickets/availability", headers={"Origin": "https://tickets.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "https://tickets.example"
