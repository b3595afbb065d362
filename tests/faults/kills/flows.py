"""The flows: paying, refunding, cancelling an event, mailing and signing in.

A flow prepares its state, runs its acts in processes that are killed, and checks the outcome, which no kill may change.
"""

import re
from collections.abc import Awaitable, Callable, Mapping

from api.commands.cancel_event import Confirmation
from api.commands.seed import parse_inventory, seed
from api.secret import load_or_create_secret
from api.services.accounts.links import sign_in_token
from api.services.accounts.sign_in import send_link
from api.services.order_rows import OrderRow
from api.settings.secrets import ACCESS_SECRET
from tests.faults.kills.case import USER, Case, Facts
from tests.faults.kills.victim import HOST, Request, Response
from tests.faults.kills.world import Dialect
from tests.waiting import read_until

Flow = Callable[[Case], Awaitable[None]]
GA_MINOR, SEAT_MINOR = 1000, 5000
"""The prices of a ticket of tier GA and of a seat of tier Front Row, in minor units."""
PAID = Facts("confirmed", "captured", 2, [2 * GA_MINOR], [], ["confirmed"])
"""An order of two tickets that is paid."""
MAIL = ("queue_messages", "send_messages")
CHARGE = ("reconcile_payments", "reconcile_payments")
REFUND = ("request_refunds",)
"""The jobs of a worker that mail, that charge and check the charge, and that refund."""
_TOKEN = re.compile(r"/sign-in#(\S+)")
_COOKIE = re.compile(r"session=([^;]+)")


def booking(case: Case) -> Request:
    """Return the request of a booking of two tickets."""
    body = {"tier": "GA", "quantity": 2, "userId": USER, "bookingReference": case.reference, "email": case.email}
    return Request("POST", "/api/bookings", body)


# --- Paying ----------------------------------------------------------------------------------------------


async def charge(case: Case) -> None:
    """Book, and have the API request the charge."""

    async def charged() -> bool:
        return case.world.has_webhook(case.reference, "captured")

    (response,) = await case.api(booking(case), done=charged)
    assert response.status == 202, response
    await case.check(PAID)


async def webhooks(case: Case) -> None:
    """Settle a payment by webhooks that arrive twice and in reverse order."""
    await case.charge(await case.hold())
    await case.webhooks()
    await case.check(PAID)


async def no_webhooks(case: Case) -> None:
    """Charge and settle a payment by the worker alone."""
    await case.hold()
    await case.worker(*CHARGE)
    await case.check(PAID)


async def late_payment(case: Case) -> None:
    """Pay after the hold while the tickets are still free: the order gets them back."""
    order = await case.hold()
    await case.charge(order)
    await case.end_hold()
    await case.world.worker.run_jobs(["expire_holds"])
    await case.webhooks()
    await case.check(PAID._replace(announced=["confirmed", "expired"]))


async def too_late_payment(case: Case) -> None:
    """Pay after the hold when the seat is sold to somebody else: the payment goes back."""
    ((seat,),) = await case.world.query(
        "select max(tickets.id) from tickets join tiers on tiers.id = tier_id"
        " where tiers.name = 'Front Row' and status = 'available'"
    )
    order = await case.hold(tier="Front Row", quantity=1, ticket_ids=(seat,))
    await case.end_hold()
    await case.world.worker.run_jobs(["expire_holds"])
    await case.pay(await case.hold(f"{case.reference}-other", "Front Row", 1, ticket_ids=(seat,)))
    await case.charge(order)
    await case.webhooks()
    await case.worker(*REFUND)
    await case.check(Facts("expired", "refunded", 0, [SEAT_MINOR], [SEAT_MINOR], ["expired", "refunded"]))
    other = await case.facts(f"{case.reference}-other")
    assert other == Facts("confirmed", "captured", 1, [SEAT_MINOR], [], []), other


# --- Refunding -------------------------------------------------------------------------------------------


async def return_ticket(case: Case) -> None:
    """Return one of two tickets, and refund its price."""
    order = await case.hold()
    await case.pay(order)
    await return_paid(case, order)


async def return_paid(case: Case, order: OrderRow) -> None:
    """Return one of the two tickets of a paid order, and refund its price."""
    (response,) = await case.api(await first_return(case, order))
    assert response.status == 200, response
    await case.worker(*REFUND)
    await case.check(PAID._replace(live=1, refunded=[GA_MINOR], announced=["confirmed", "returned"]))


async def first_return(case: Case, order: OrderRow) -> Request:
    """Return the request that returns the first ticket of an order."""
    ((line,),) = await case.world.query("select min(id) from bookings where order_id = %s", order.id)
    return Request("POST", f"/api/bookings/{order.reference}/returns", {"userId": USER, "bookings": [line]})


async def mails(case: Case) -> None:
    """Mail the tickets of a paid order, and the return of one of them."""
    order = await case.hold()
    await case.pay(order)
    assert (await case.world.repeat(await first_return(case, order))).status == 200
    await case.worker(*MAIL)
    await case.check(PAID._replace(live=1, refunded=[GA_MINOR], announced=["confirmed", "returned"]))


async def cancel_order(case: Case) -> None:
    """Cancel an order and refund its charge."""
    await case.pay(await case.hold())
    await cancel_paid(case)


async def cancel_paid(case: Case) -> None:
    """Cancel the paid order, and refund its charge."""
    path = f"/api/bookings/{case.reference}/cancel"
    (response,) = await case.api(Request("POST", path, {"userId": USER}))
    assert response.status == 200, response
    await case.worker(*REFUND)
    await case.check(
        PAID._replace(
            order="cancelled",
            payment="refunded",
            live=0,
            refunded=[2 * GA_MINOR],
            announced=["cancelled", "confirmed", "refunded"],
        )
    )


async def cancel_event(case: Case) -> None:
    """Cancel an event with a paid order, one with a returned ticket, one that is charged, and one that is not."""
    seed(case.world.database_url, event=case.reference, inventory=parse_inventory("GA=10"))
    names = [f"{case.reference}-{name}" for name in ("returned", "charged", "held")]
    paid = await case.hold(event=case.reference)
    returned, charged, _ = [await case.hold(name, event=case.reference) for name in names]
    for order in (paid, returned):
        await case.pay(order)
    await case.charge(charged)
    assert (await case.world.repeat(await first_return(case, returned))).status == 200
    await case.command(Confirmation(case.reference, "4", "the singer is ill"))
    await case.webhooks()
    await case.worker("end_orders", *CHARGE, *REFUND, "end_orders")
    await case.world.worker.run_jobs(["end_orders"])
    await case.end_hold(names[-1])  # Until then a request for its charge may be on its way.
    whole = 2 * GA_MINOR
    ended = Facts("cancelled", "refunded", 0, [whole], [whole], [])
    await case.check(ended._replace(announced=["confirmed", "event_cancelled", "refunded"]))
    expected = {
        "returned": ended._replace(refunded=[GA_MINOR, GA_MINOR]),
        "charged": ended,
        "held": ended._replace(payment="void", charged=[], refunded=[]),
    }
    found = {name: await case.facts(f"{case.reference}-{name}") for name in expected}
    assert found == expected, found


# --- Stripe ----------------------------------------------------------------------------------------------


async def hosted_page(case: Case) -> None:
    """Book, pay on the page of Stripe, and have its webhooks and the worker settle the payment."""

    async def has_page() -> bool:
        return bool(await page_of(case))

    (response,) = await case.api(booking(case), done=has_page)
    assert response.status == 202, response
    await pay_page(case)
    await case.webhooks()
    await case.worker(*CHARGE)
    await case.check(PAID)


async def closed_page(case: Case) -> None:
    """End a hold: the worker closes the page of Stripe, and nobody can pay on it afterwards."""
    await case.hold()
    page = await make_page(case)
    await case.end_hold()
    await case.worker("close_checkouts", "expire_holds", "reconcile_payments")
    await case.world.until_idle()
    response = await case.world.simulator.post(page, data={"outcome": "captured"})
    assert response.status_code == 200, response
    await case.check(Facts("expired", "void", 0, [], [], ["expired"]))


async def page_paid_too_late(case: Case) -> None:
    """End a hold after the buyer has paid on the page of Stripe: the order keeps its tickets."""
    await case.hold()
    await pay_page(case)
    await case.end_hold()
    await case.worker("close_checkouts", "expire_holds", "reconcile_payments")
    # Tickets do not wait for a killed worker, so that the order may expire before it gets them back.
    await case.check(PAID, PAID._replace(announced=["confirmed", "expired"]))


async def stripe_refund(case: Case) -> None:
    """Cancel an order that was paid on a page of Stripe, and refund its charge."""
    await case.hold()
    await pay_page(case)
    await case.world.until_idle()
    await cancel_paid(case)


async def stripe_return(case: Case) -> None:
    """Return one of two tickets that were paid on a page of Stripe, and refund its price."""
    order = await case.hold()
    await pay_page(case)
    await case.world.until_idle()
    await return_paid(case, order)


async def stripe_event(case: Case) -> None:
    """Cancel an event with an order that was paid on a page of Stripe, and with one whose page is open."""
    seed(case.world.database_url, event=case.reference, inventory=parse_inventory("GA=10"))
    unpaid = f"{case.reference}-unpaid"
    await case.hold(event=case.reference)
    await pay_page(case)
    await case.world.until_idle()
    await case.hold(unpaid, event=case.reference)
    await make_page(case, unpaid)
    await case.command(Confirmation(case.reference, "2", "the singer is ill"))
    await case.worker("end_orders", "close_checkouts", *REFUND, "end_orders")
    await case.world.worker.run_jobs(["end_orders"])
    await case.end_hold(unpaid)  # Until then a request for its page may be on its way.
    whole = 2 * GA_MINOR
    ended = Facts("cancelled", "refunded", 0, [whole], [whole], ["confirmed", "event_cancelled", "refunded"])
    await case.check(ended)
    found = await case.facts(unpaid)
    assert found == ended._replace(payment="void", charged=[], refunded=[], announced=[]), found


async def page_of(case: Case, reference: str = "") -> str:
    """Return the address of an order's page, by default of the order of this case; an empty one without a page."""
    pages = await case.world.query(
        "select url from checkouts join payments on payments.id = payment_id join orders on orders.id = order_id"
        " where reference = %s",
        reference or case.reference,
    )
    return str(pages[0][0]) if pages else ""


async def make_page(case: Case, reference: str = "") -> str:
    """Have the other worker make an order's page, by default of the order of this case; return its address."""

    async def run() -> str:
        await case.world.conn.execute("update payments set next_check_at = now() where next_check_at > now()")
        await case.world.worker.run_jobs(CHARGE)
        return await page_of(case, reference)

    return await page_of(case, reference) or await read_until(run, bool)


async def pay_page(case: Case) -> None:
    """Wait for the order's page, and pay on it as a buyer."""
    response = await case.world.simulator.post(await make_page(case), data={"outcome": "captured"})
    assert response.status_code == 303, response


# --- Signing in ------------------------------------------------------------------------------------------


async def mail_link(case: Case) -> None:
    """Request a link to sign in, and mail it. Each mail has a link of its own, which works once."""
    (response,) = await case.api(Request("POST", "/api/sessions/links", {"email": case.email}))
    assert response.status == 202, response
    await case.worker("send_messages")
    await case.check()
    mails = [str(mail) for _, recipients, mail in case.world.mail_server.received if recipients == [case.email]]
    tokens = {match[1] for mail in mails if (match := _TOKEN.search(mail.replace("=\n", "").replace("=3D", "=")))}
    assert 1 <= len(tokens) <= 1 + len(case.kills_made), mails
    for token in tokens:
        statuses = [(await case.world.repeat(sign_in_request(token))).status for _ in range(2)]
        assert statuses == [200, 401], statuses


def sign_in_request(token: str) -> Request:
    """Return the request of a sign-in with a link."""
    return Request("POST", "/api/sessions", {"method": "link", "token": token})


async def sign_in(case: Case) -> None:
    """Sign in with a link: it opens one session, also if the response is lost."""
    token = await link_of(case)
    (response,) = await case.api(sign_in_request(token))
    assert response.status in ({200, 401} if case.kills_made else {200}), response
    assert (await case.world.repeat(sign_in_request(token))).status == 401
    assert await sessions_of(case) == [(1, True)]
    await case.check()


async def refresh(case: Case) -> None:
    """Exchange a refresh token: a repeat after a lost response gets the same token, which works."""
    first = cookie_of(await case.world.repeat(sign_in_request(await link_of(case))))
    (response,) = await case.api(refresh_request(first))
    second = cookie_of(response)
    assert cookie_of(await case.world.repeat(refresh_request(first))) == second
    assert await sessions_of(case) == [(2, True)]
    assert cookie_of(await case.world.repeat(refresh_request(second))) not in (first, second)
    assert await sessions_of(case) == [(3, True)]
    await case.check()


async def link_of(case: Case) -> str:
    """Queue a link to sign in; return its token."""
    world = case.world
    await send_link(world.pool, world.settings, case.email, "en")
    ((link_id,),) = await world.query("select id::text from sign_in_links where email = %s", case.email)
    return sign_in_token(load_or_create_secret(world.settings, ACCESS_SECRET), link_id)


def refresh_request(token: str) -> Request:
    """Return the request of an exchange of a refresh token."""
    return Request("POST", "/api/sessions/refresh", headers={"Cookie": f"session={token}", "Origin": f"http://{HOST}"})


def cookie_of(response: Response) -> str:
    """Return the refresh token of a response."""
    assert response.status == 200, response
    found = _COOKIE.search(response.headers["set-cookie"])
    assert found is not None, response
    return found[1]


async def sessions_of(case: Case) -> list[tuple[int, bool]]:
    """Return the generation of each session of the case's account, and whether it is live."""
    return [
        (generation, live)
        for generation, live in await case.world.query(
            "select generation, revoked_at is null from account_sessions join accounts on accounts.id = account_id"
            " where email = %s",
            case.email,
        )
    ]


FLOWS: Mapping[Dialect, tuple[Flow, ...]] = {
    "simulator": (
        *(charge, webhooks, no_webhooks, late_payment, too_late_payment, return_ticket, cancel_order, cancel_event),
        *(mails, mail_link, sign_in, refresh),
    ),
    "stripe": (hosted_page, closed_page, page_paid_too_late, stripe_refund, stripe_return, stripe_event),
}
"""The flows of each provider."""
