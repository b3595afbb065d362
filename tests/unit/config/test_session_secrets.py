"""A list of session secrets with a fault is refused without its values."""

import pytest

from api.config import Settings
from api.errors import ConfigError
from tests.unit.config.test_config import SECRET, SESSION_SECRETS


@pytest.mark.parametrize("secrets", [SECRET, f"{SESSION_SECRETS[0]},", f"{SESSION_SECRETS[0]},{SESSION_SECRETS[0]}"])
def test_a_refused_list_of_secrets_is_not_shown(secrets: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"SESSION_SECRETS": secrets})
    assert str(refusal.value) == (
        "SESSION_SECRETS is not allowed: it must be sesec_ followed by at least 24 bytes in base64, or several "
        "different ones of these, separated by commas."
    )
