"""The secrets of webhooks and tickets: configured, or generated once and kept private."""

import stat
from pathlib import Path

import pytest

from api.config import Settings
from api.errors import SetupError
from api.secret import load_or_create_secret
from api.settings.secrets import ACCESS_SECRET, SESSION_SECRETS, TICKET_SECRET, WEBHOOK_SECRET, Secret

each_secret = pytest.mark.parametrize(
    "secret", [WEBHOOK_SECRET, TICKET_SECRET, ACCESS_SECRET, SESSION_SECRETS], ids=lambda secret: secret.field
)


@each_secret
def test_a_configured_secret_is_used_and_not_stored(tmp_path: Path, secret: Secret) -> None:
    configured = f"{secret.prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    settings = Settings.from_env({secret.field.upper(): configured, "DATA_DIR": str(tmp_path / "data")})
    assert load_or_create_secret(settings, secret) == configured
    assert not (tmp_path / "data").exists()


@each_secret
def test_a_secret_is_generated_once_and_private_to_its_owner(tmp_path: Path, secret: Secret) -> None:
    settings = Settings(data_dir=tmp_path / "new" / "data")
    generated = load_or_create_secret(settings, secret)
    assert secret.fits(generated)
    assert load_or_create_secret(settings, secret) == generated
    assert stat.S_IMODE((settings.data_dir / secret.file_name).stat().st_mode) == 0o600
    assert load_or_create_secret(Settings(data_dir=tmp_path / "other"), secret) != generated


def test_the_secrets_differ(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    webhooks, tickets = load_or_create_secret(settings, WEBHOOK_SECRET), load_or_create_secret(settings, TICKET_SECRET)
    assert WEBHOOK_SECRET.key(webhooks) != TICKET_SECRET.key(tickets)
    assert not TICKET_SECRET.fits(webhooks)
    assert not WEBHOOK_SECRET.fits(tickets)


@each_secret
def test_an_empty_file_is_filled(tmp_path: Path, secret: Secret) -> None:
    (tmp_path / secret.file_name).touch(0o600)  # Its creator was killed.
    assert secret.fits(load_or_create_secret(Settings(data_dir=tmp_path), secret))


@each_secret
@pytest.mark.parametrize("content", [b"whsec_short", b"tksec_short", b"\xff\xfe"])
def test_a_file_with_other_content_is_refused_and_not_shown(tmp_path: Path, secret: Secret, content: bytes) -> None:
    (tmp_path / secret.file_name).write_bytes(content)
    with pytest.raises(SetupError) as refusal:
        load_or_create_secret(Settings(data_dir=tmp_path), secret)
    assert str(tmp_path / secret.file_name) in str(refusal.value)
    assert "short" not in str(refusal.value)


@each_secret
def test_an_unusable_directory_is_refused(tmp_path: Path, secret: Secret) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(SetupError, match="cannot be read or created"):
        load_or_create_secret(Settings(data_dir=tmp_path / "data"), secret)
