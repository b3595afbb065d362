"""The tickets of a booking as PDF, over HTTP."""

import io

import psycopg
import pypdf

from api.services.short_reference import grouped
from tests.acceptance.system import Buyer, assert_problem
from tests.stack import Stack


def test_a_confirmed_booking_has_its_tickets_as_pdf(buyer: Buyer) -> None:
    order = buyer.booked(tier="VIP", quantity=2)
    response = buyer.client.get(f"/api/bookings/{order['reference']}/tickets.pdf")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{buyer.event}.pdf"'
    assert response.headers["Cache-Control"] == "no-store"
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(response.content)).pages]
    assert len(pages) == 2
    for line, page in zip(order["bookings"], pages, strict=True):
        assert f"VIP, row {line['row']}, seat {line['seat']}" in page
        assert f"T1-{line['id']}-" in page
        assert order["reference"] in page
        assert grouped(order["shortReference"]) in page
    german = buyer.client.get(f"/api/bookings/{order['reference']}/tickets.pdf", params={"locale": "de"})
    assert f"Reihe {order['bookings'][0]['row']}" in pypdf.PdfReader(io.BytesIO(german.content)).pages[0].extract_text()


def test_the_tickets_follow_each_change_of_the_booking_and_of_its_event(buyer: Buyer, stack: Stack) -> None:
    order = buyer.booked(quantity=2)
    path = f"/api/bookings/{order['reference']}"

    def printed() -> list[str]:
        content = buyer.client.get(f"{path}/tickets.pdf").content
        return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]

    def change_event(change: str) -> None:
        with psycopg.connect(stack.database_url) as conn:
            conn.execute(f"update events set {change} where slug = %s".encode(), [buyer.event])  # noqa: S608

    assert len(printed()) == 2
    returned, kept = order["bookings"]
    body = {"userId": "user-123", "bookings": [returned["id"]]}
    assert buyer.client.post(f"{path}/returns", json=body).status_code == 200
    (page,) = printed()
    assert f"T1-{kept['id']}-" in page
    change_event("address = '1 Pier Road'")
    (page,) = printed()
    assert "1 Pier Road" in page
    change_event("cancelled_at = now()")
    assert_problem(buyer.client.get(f"{path}/tickets.pdf"), 404, "not_found")
