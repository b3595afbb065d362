"""The ceremonies of passkeys: the options for browsers, and the verification of responses without a database."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from api.account_schemas import PasskeyRequest, SignInRequest
from api.config import Settings
from api.services.accounts.ceremonies import (
    InvalidResponseError,
    KnownCredential,
    challenge_of,
    creation_options,
    new_challenge,
    request_options,
    verify_assertion,
    verify_creation,
)
from tests.authenticator import Authenticator, to_base64

ORIGIN = "https://tickets.example"
SETTINGS = Settings(public_web_url=ORIGIN, passkey_challenge_seconds=60)
ACCOUNT = str(uuid4())


def creation(challenge: bytes) -> dict[str, Any]:
    options: dict[str, Any] = msgspec.to_builtins(creation_options(SETTINGS, challenge, ACCOUNT, "ann@example.org", []))
    return options


def test_a_new_passkey_is_discoverable_and_verifies_its_user() -> None:
    options = creation(bytes(32))
    assert options["rp"] == {"id": "tickets.example", "name": "Concert tickets"}
    assert options["user"]["name"] == options["user"]["displayName"] == "ann@example.org"
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"
    assert [parameter["alg"] for parameter in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert (options["timeout"], options["challenge"]) == (60_000, to_base64(bytes(32)))
    assert "ann" not in options["user"]["id"]


def test_known_credentials_are_excluded_with_their_known_transports() -> None:
    known = [KnownCredential(b"one", ["usb", "future"]), KnownCredential(b"two", [])]
    options = creation_options(SETTINGS, bytes(32), ACCOUNT, "ann@example.org", known)
    excluded = [(each.id, each.transports) for each in options.exclude_credentials]
    assert excluded == [(to_base64(b"one"), ["usb"]), (to_base64(b"two"), [])]


def test_a_sign_in_names_no_credential() -> None:
    assert msgspec.to_builtins(request_options(SETTINGS, bytes(32))) == {
        "challenge": to_base64(bytes(32)),
        "timeout": 60_000,
        "rpId": "tickets.example",
        "userVerification": "required",
    }


def test_challenges_are_random() -> None:
    assert len({new_challenge() for _ in range(100)}) == 100
    assert len(new_challenge()) == 32


def test_a_new_passkey_signs_a_challenge() -> None:
    device, challenge = Authenticator(ORIGIN, counter=3), new_challenge()
    made = msgspec.convert(device.create(creation(challenge)), PasskeyRequest)
    assert challenge_of(made.client_data) == challenge
    new = verify_creation(SETTINGS, challenge, made)
    assert (new.credential_id, new.sign_count) == (device.credential_id, 3)
    following = new_challenge()
    signed = msgspec.convert(device.sign(msgspec.to_builtins(request_options(SETTINGS, following))), SignInRequest)
    assert signed.passkey is not None
    key = new.public_key
    assert verify_assertion(SETTINGS, following, signed.passkey, public_key=key, public_id=ACCOUNT) == 4
    with pytest.raises(InvalidResponseError):
        verify_assertion(SETTINGS, challenge, signed.passkey, public_key=key, public_id=ACCOUNT)
    with pytest.raises(InvalidResponseError):
        verify_assertion(SETTINGS, following, signed.passkey, public_key=key, public_id=str(uuid4()))
    with pytest.raises(InvalidResponseError):
        verify_creation(SETTINGS, following, made)
