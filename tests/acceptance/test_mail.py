"""E-mails of a running system: a booking leads to a message, whose link gives access to the order."""

import re

import httpx

from tests.conftest import StartStack
from tests.mail_server import MailServer, running_mail_server
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP
from tests.waiting import read_until

LINK = re.compile(r"https://tickets\.example/booking/([^#\s]+)#(\S+)")
ANN = "ann@example.org"


async def test_the_link_in_an_e_mail_gives_access_to_the_order(start_stack: StartStack) -> None:
    async with running_mail_server() as server:
        env = {
            "SMTP_URL": server.url,
            "PUBLIC_WEB_URL": "https://tickets.example",
            "GUEST_ORDERS": "secret",
            "PAYMENT_SUCCESS_RATE": "1",
        }
        stack = await start_stack(env=env, worker=True)
        async with httpx.AsyncClient(
            base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP, trust_env=False
        ) as client:
            body = {"tier": "VIP", "quantity": 2, "userId": "u", "email": ANN, "locale": "ar"}
            order = (await client.post("/api/bookings", json=body)).raise_for_status().json()
            mail = await first_mail(server)
            found = LINK.search(str(mail))
            assert found is not None
            reference, secret = found.groups()
            assert reference == order["reference"]
            path = f"/api/bookings/{reference}"
            own, forged = {"Booking-Secret": secret}, {"Booking-Secret": f"{secret}x"}
            responses = [await client.get(path, headers=headers) for headers in ({}, own, forged)]
            assert [response.status_code for response in responses] == [404, 200, 404]
            listed = await client.get("/api/bookings", params={"userId": "u"}, headers=own)
            assert [each["reference"] for each in listed.json()["orders"]] == [reference]
            cancelled = await client.post(f"{path}/cancel", json={"userId": "u"}, headers=own)
            assert cancelled.json()["status"] == "cancelled"
        await read_until(lambda: number_of_mails(server), lambda number: number == 2)
        assert {recipient for received in server.received for recipient in received.recipients} == {ANN}


async def number_of_mails(server: MailServer) -> int:
    return len(server.received)


async def first_mail(server: MailServer) -> str:
    """Wait for a message; return its plain text."""
    await read_until(lambda: number_of_mails(server), bool)
    body = server.received[0].mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
