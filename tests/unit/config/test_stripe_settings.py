"""Settings of the payments through Stripe."""

import pytest

from api.config import Settings, require_provider
from api.errors import ConfigError
from api.money import parse_amounts
from api.payments.minor_units import from_stripe, to_stripe
from api.payments.provider import Amount
from api.settings.payments import STRIPE_MINIMUMS

FIRST, SECOND = f"whsec_{'a' * 24}", f"whsec_{'B/+=' * 8}"


def test_several_secrets_are_accepted_in_order() -> None:
    settings = Settings.from_env({"STRIPE_WEBHOOK_SECRETS": f"{FIRST}, {SECOND},"})
    assert settings.stripe_secrets == (FIRST, SECOND)
    assert FIRST not in repr(settings)


@pytest.mark.parametrize("secrets", ["whsec_short", "whsec_a b", f"{FIRST};{SECOND}", f"sk_test_{'a' * 24}"])
def test_an_invalid_secret_is_refused_and_not_shown(secrets: str) -> None:
    with pytest.raises(ConfigError, match="STRIPE_WEBHOOK_SECRETS is not allowed: it must be keys") as refused:
        Settings.from_env({"STRIPE_WEBHOOK_SECRETS": secrets})
    assert secrets not in str(refused.value)


@pytest.mark.parametrize("key", ["pk_test_1", "sk_", "sk_test 1", "sk_t\u00e4st"])
def test_an_invalid_api_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="STRIPE_API_KEY is not allowed") as refused:
        Settings.from_env({"STRIPE_API_KEY": key})
    assert key not in str(refused.value).replace("sk_ or rk_", "")


def test_a_simulated_stripe_is_on_this_machine() -> None:
    with pytest.raises(ConfigError, match=r"STRIPE_API_URL='https://pay\.example' is not allowed"):
        Settings.from_env({"STRIPE_API_URL": "https://pay.example"})


def test_payments_through_stripe_are_asynchronous() -> None:
    assert Settings.from_env({"PAYMENT_PROVIDER": "stripe"}).payment_mode == "async"
    with pytest.raises(ConfigError, match="it must be async with PAYMENT_PROVIDER=stripe"):
        Settings.from_env({"PAYMENT_PROVIDER": "stripe", "PAYMENT_MODE": "inline"})


def test_requests_to_stripe_have_more_time_unless_it_is_set() -> None:
    assert Settings.from_env({}).provider_timeout_ms == 1000
    assert Settings.from_env({"PAYMENT_PROVIDER": "stripe"}).provider_timeout_ms == 5000
    environ = {"PAYMENT_PROVIDER": "stripe", "PROVIDER_TIMEOUT_MS": "700"}
    assert Settings.from_env(environ).provider_timeout_ms == 700


def test_payments_through_stripe_have_its_minimums_unless_others_are_set() -> None:
    minimums = Settings.from_env({"PAYMENT_PROVIDER": "stripe"}).payment_minimums_minor
    assert (minimums["USD"], minimums["JPY"], minimums["HUF"]) == (50, 50, 17_500)
    environ = {"PAYMENT_PROVIDER": "stripe", "PAYMENT_MINIMUMS": "USD=1"}
    assert Settings.from_env(environ).payment_minimums_minor == {"USD": 100}
    assert Settings.from_env({}).payment_minimums_minor == {}


@pytest.mark.parametrize(("currency", "minor"), sorted(parse_amounts(STRIPE_MINIMUMS).items()))
def test_stripe_can_charge_each_of_its_minimums(currency: str, minor: int) -> None:
    assert from_stripe(to_stripe(Amount(minor, currency)), currency) == Amount(minor, currency)


def test_payments_through_stripe_need_a_key_and_secrets() -> None:
    environ = {"PAYMENT_PROVIDER": "stripe"}
    require_provider(Settings.from_env({}))
    for name, value in (("STRIPE_API_KEY", "sk_test_1"), ("STRIPE_WEBHOOK_SECRETS", FIRST)):
        with pytest.raises(ConfigError, match=f"{name} is required with PAYMENT_PROVIDER=stripe"):
            require_provider(Settings.from_env(environ))
        environ[name] = value
    require_provider(Settings.from_env(environ))
