"""Health and readiness."""

import httpx
import psycopg

from tests.stack import Stack, eventually


def test_a_healthy_system_is_live_and_ready(client: httpx.Client) -> None:
    live, ready = client.get("/health/live"), client.get("/health/ready")
    assert (live.status_code, live.json()["status"]) == (200, "live")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_a_database_without_its_migrations_is_not_ready(stack: Stack, client: httpx.Client) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute("alter table migrations rename to migrations_away")
        try:
            response = client.get("/health/ready")
        finally:
            conn.execute("alter table migrations_away rename to migrations")
    assert response.status_code == 503
    assert "migrations are missing: 0001" in response.json()["reason"]
    assert client.get("/health/ready").status_code == 200


def test_a_list_of_events_that_cannot_be_read_is_not_ready(stack: Stack, client: httpx.Client) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute("alter table events rename column venue to venue_away")
        try:
            assert eventually(lambda: client.get("/health/ready").status_code == 503)
            assert client.get("/health/ready").json()["reason"] == "the list of events cannot be read"
        finally:
            conn.execute("alter table events rename column venue_away to venue")
    assert eventually(lambda: client.get("/health/ready").status_code == 200)


def test_the_state_of_the_system_is_reported(client: httpx.Client) -> None:
    response = client.get("/health/system")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    system = response.json()
    mail = system.pop("mail")
    assert mail.keys() == {"feedLagSeconds", "queueLagSeconds", "failed", "priorities"}
    assert [priority["name"] for priority in mail["priorities"]] == ["requested", "single", "bulk"]
    assert {job["job"] for job in system.pop("jobs")} >= {"reconcile_payments", "request_refunds", "settle_webhooks"}
    assert system == {
        "status": "degraded",
        "problems": ["no worker runs"],
        "workerAgeSeconds": None,
        "workers": [],
        "overdueHolds": 0,
        "failedRefunds": 0,
        "undecidedDisputes": 0,
        "lostDisputes": 0,
        "cancellations": [],
        "standbys": [],
        "missingMigrations": [],
    }
    assert "\noverdue_holds 0.0\n" in client.get("/metrics").text
