"""The API refuses to start while Stripe cannot charge the price of an event on sale."""

import psycopg
import pytest

from api.__main__ import main
from api.commands import serve
from api.commands.price_check import check_prices
from api.config import Settings
from api.errors import SetupError
from tests.stack import free_port

STRIPE = Settings(payment_provider="stripe", payment_mode="async")


def change(url: str, currency: str, price_minor: int, *, condition: str = "true") -> None:
    """Change the currency and the prices of the built-in event's tiers."""
    with psycopg.connect(url) as conn:
        conn.execute(
            "update events set currency = %s, doors_at = null, starts_at = '2100-01-01' where slug = 'aurora-sessions'",
            [currency],
        )
        conn.execute(
            f"""
            update tiers set price_minor = %s
            where event_id = (select id from events where slug = 'aurora-sessions') and {condition}
            """,  # noqa: S608 - the conditions are constants
            [price_minor],
        )


@pytest.mark.parametrize(
    ("currency", "price_minor", "reason"),
    [
        ("KWD", 1005, "Stripe cannot charge 1005 KWD exactly."),
        ("LYD", 1000, "Stripe does not charge LYD, which has 3 decimal places."),
        ("MGA", 150, "Stripe cannot charge 150 MGA exactly."),
    ],
)
def test_a_price_that_stripe_cannot_charge_is_refused(
    database_url: str, currency: str, price_minor: int, reason: str
) -> None:
    check_prices(database_url, STRIPE)
    change(database_url, currency, price_minor)
    with pytest.raises(SetupError, match="Change them, or cancel the events") as refused:
        check_prices(database_url, STRIPE)
    assert f"event aurora-sessions, ticket type VIP: {reason}" in str(refused.value)
    assert "small-hours" not in str(refused.value)
    check_prices(database_url, Settings(payment_mode="async"))


@pytest.mark.parametrize(("currency", "price_minor"), [("KWD", 1010), ("JPY", 1), ("ISK", 5), ("KWD", 0)])
def test_other_prices_are_possible(database_url: str, currency: str, price_minor: int) -> None:
    change(database_url, currency, price_minor)
    check_prices(database_url, STRIPE)


@pytest.mark.parametrize("column", ["cancelled_at", "sales_end_at"])
def test_an_event_without_a_sale_stops_nothing(database_url: str, column: str) -> None:
    change(database_url, "KWD", 1005)
    with psycopg.connect(database_url) as conn:
        conn.execute(f"update events set {column} = now() where slug = 'aurora-sessions'")  # noqa: S608 - a constant
    check_prices(database_url, STRIPE)


def test_a_missing_or_empty_database_stops_nothing(database_url: str) -> None:
    check_prices(f"postgresql://127.0.0.1:{free_port()}/x", STRIPE)
    with psycopg.connect(database_url) as conn:
        conn.execute("alter table tiers rename to other_tiers")
    check_prices(database_url, STRIPE)


def test_the_api_does_not_start(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {
        "DATABASE_URL": database_url,
        "API_PORT": str(free_port()),
        "PAYMENT_PROVIDER": "stripe",
        "STRIPE_API_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRETS": f"whsec_{'a' * 24}",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(serve, "serve", lambda *_: 0)
    assert main(["serve"]) == 0
    change(database_url, "KWD", 1005, condition="name <> 'GA'")
    assert main(["serve"]) == 1
    assert capsys.readouterr().err.splitlines()[-3:] == [
        "Stripe cannot charge these prices. Change them, or cancel the events.",
        "  event aurora-sessions, ticket type VIP: Stripe cannot charge 1005 KWD exactly.",
        "  event aurora-sessions, ticket type Front Row: Stripe cannot charge 1005 KWD exactly.",
    ]
