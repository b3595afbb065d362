"""The ceremonies of WebAuthn: the options for a browser, and the verification of its response. They use no database.

Each passkey is discoverable, so that a sign-in needs no address. Each ceremony demands the verification of the user,
for example by a fingerprint, because a passkey is the only factor of a sign-in.
"""

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from uuid import UUID

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes, options_to_json_dict, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from api.account_schemas import PasskeyAssertion, PasskeyChallenge, PasskeyCreation, PasskeyRequest
from api.config import Settings

NAME = "Concert tickets"
"""The name of the relying party, which authenticators may show."""
CHALLENGE_BYTES = 32
CREDENTIAL_ID_MAX, PUBLIC_KEY_MAX = 1023, 2048
"""The longest credential id of WebAuthn, and the longest public key that the database stores, in bytes."""
_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_TRANSPORTS = frozenset(transport.value for transport in AuthenticatorTransport)
_TYPE = "public-key"


class InvalidResponseError(Exception):
    """The response of an authenticator is malformed or forged, or belongs to another challenge or page."""


class NewCredential(msgspec.Struct, frozen=True):
    """The verified credential of a new passkey."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class KnownCredential(msgspec.Struct, frozen=True):
    """A credential that the account has already."""

    credential_id: bytes
    transports: Sequence[str]


def new_challenge() -> bytes:
    """Return a random challenge."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def creation_options(
    settings: Settings, challenge: bytes, public_id: str, email: str, known: Sequence[KnownCredential]
) -> PasskeyCreation:
    """Return the options with which a browser makes a passkey. An authenticator with a known credential refuses."""
    options = webauthn.generate_registration_options(
        rp_id=settings.relying_party,
        rp_name=NAME,
        user_id=UUID(public_id).bytes,
        user_name=email,
        user_display_name=email,
        challenge=challenge,
        timeout=settings.passkey_challenge_seconds * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(
                credential.credential_id,
                transports=[AuthenticatorTransport(name) for name in known_transports(credential.transports)],
            )
            for credential in known
        ],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return msgspec.convert(options_to_json_dict(options), PasskeyCreation)


def request_options(settings: Settings, challenge: bytes) -> PasskeyChallenge:
    """Return the options with which a browser signs in with any of its passkeys."""
    options = webauthn.generate_authentication_options(
        rp_id=settings.relying_party,
        challenge=challenge,
        timeout=settings.passkey_challenge_seconds * 1000,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return msgspec.convert(options_to_json_dict(options), PasskeyChallenge)


def challenge_of(client_data: str) -> bytes:
    """Return the challenge that a response names.

    Raises:
        InvalidResponseError: the response names none, or a foreign page embeds the page that has requested it.
    """
    with _refusing():
        parsed = parse_client_data_json(base64url_to_bytes(client_data))
        if parsed.cross_origin:
            raise InvalidResponseError
        return parsed.challenge


def credential_of(assertion: PasskeyAssertion) -> bytes:
    """Return the identifier of the credential of a response.

    Raises:
        InvalidResponseError: the identifier is malformed.
    """
    with _refusing():
        return base64url_to_bytes(assertion.id)


def verify_creation(settings: Settings, challenge: bytes, request: PasskeyRequest) -> NewCredential:
    """Verify the response of an authenticator that has made a passkey.

    Raises:
        InvalidResponseError: the response is not valid for this challenge, for the web app, or without its user.
    """
    with _refusing():
        attested = webauthn.helpers.parse_attestation_object(base64url_to_bytes(request.attestation))
        data = attested.auth_data.attested_credential_data
        if data is None:
            raise InvalidResponseError
        credential_id = webauthn.helpers.bytes_to_base64url(data.credential_id)
        verified = webauthn.verify_registration_response(
            credential={
                "id": credential_id,
                "rawId": credential_id,
                "type": _TYPE,
                "response": {"clientDataJSON": request.client_data, "attestationObject": request.attestation},
            },
            expected_challenge=challenge,
            expected_rp_id=settings.relying_party,
            expected_origin=settings.passkey_origins,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
        lengths = len(verified.credential_id), len(verified.credential_public_key)
        if lengths[0] > CREDENTIAL_ID_MAX or lengths[1] > PUBLIC_KEY_MAX:
            raise InvalidResponseError  # The library limits neither.
    return NewCredential(verified.credential_id, verified.credential_public_key, verified.sign_count)


def verify_assertion(
    settings: Settings, challenge: bytes, assertion: PasskeyAssertion, *, public_key: bytes, public_id: str
) -> int:
    """Verify the response of an authenticator to a sign-in; return its counter.

    The caller compares the counter, because the library would do so before it verifies the signature. A response with a
    forged signature could then report a copied passkey.

    Raises:
        InvalidResponseError: the response is not valid for this challenge, passkey, account or web app.
    """
    with _refusing():
        if base64url_to_bytes(assertion.user_handle) != UUID(public_id).bytes:
            raise InvalidResponseError
        verified = webauthn.verify_authentication_response(
            credential={
                "id": assertion.id,
                "rawId": assertion.id,
                "type": _TYPE,
                "response": {
                    "clientDataJSON": assertion.client_data,
                    "authenticatorData": assertion.authenticator_data,
                    "signature": assertion.signature,
                    "userHandle": assertion.user_handle,
                },
            },
            expected_challenge=challenge,
            expected_rp_id=settings.relying_party,
            expected_origin=settings.passkey_origins,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    return verified.new_sign_count


def known_transports(names: Sequence[str]) -> list[str]:
    """Return the names of transports that WebAuthn defines, each once."""
    return sorted(_TRANSPORTS.intersection(names))


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Convert every error into InvalidResponseError. Hostile bytes cause errors of the library and of its decoders."""
    try:
        yield
    except Exception as error:
        raise InvalidResponseError(str(error)) from error
