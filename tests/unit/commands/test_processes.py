"""Each service receives its own secrets and no other."""

import msgspec
import pytest

from api.commands.processes import SECRETS, environment_of, services
from api.config import Settings

OWN_SECRETS = {
    "mailbox": set(),
    "worker": {
        *("DATABASE_URL", "PROVIDER_URL", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"),
        *("TICKET_SECRET", "ACCESS_SECRET", "SMTP_URL"),
    },
    "API": {
        *("DATABASE_URL", "PROVIDER_URL", "PAYMENT_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRETS", "STRIPE_API_KEY"),
        *("TICKET_SECRET", "ACCESS_SECRET", "SESSION_SECRETS"),
    },
    "web app": set(),
    "staff pages": set(),
    "payment simulator": {"PAYMENT_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRETS"},
}
SERVICES = services(Settings(payment_mode="async"))
NOT_SECRET = {"PATH": "/bin", "LC_ALL": "C", "DATA_DIR": "data", "API_PORT": "3001", "MAX_TICKETS_PER_BOOKING": "5"}
UNKNOWN = {"CLOUD_TOKEN": "unknown"}
OF_DATABASES = {"PGPASSWORD", "KRB5CCNAME", "KRB5_CONFIG"}
OF_PROVIDERS = {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}


def test_every_service_is_tested_here() -> None:
    assert {service.name for service in SERVICES} == OWN_SECRETS.keys()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_receives_only_its_own_secrets(service: object) -> None:
    secrets = dict.fromkeys(SECRETS, "secret")
    others = dict.fromkeys(OF_DATABASES | OF_PROVIDERS, "secret")
    received = environment_of(service, NOT_SECRET | UNKNOWN | secrets | others)  # type: ignore[arg-type]
    expected = OWN_SECRETS[service.name]  # type: ignore[attr-defined]
    of_databases = OF_DATABASES if "DATABASE_URL" in expected else set()
    of_providers = OF_PROVIDERS if "PROVIDER_URL" in expected else set()
    assert received.keys() == NOT_SECRET.keys() | expected | of_databases | of_providers


def test_every_setting_that_may_contain_a_secret_is_listed() -> None:
    names = {field.name.upper() for field in msgspec.structs.fields(Settings)}
    assert {name for name in names if "SECRET" in name or "PASSWORD" in name or name.startswith("DATABASE_")} <= SECRETS
