"""Settings of the payments through Stripe."""

import pytest

from api.config import Settings
from api.errors import ConfigError

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
