"""An authenticator in software: it makes passkeys and signs challenges as a browser and a device do together."""

import base64
import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of the authenticator's data: the user is present, is verified, and the data has a new credential."""


class Authenticator:
    """A device with one passkey, and a browser on a page of `origin`.

    Args:
        counter: the number of signatures so far; None for a device that does not count them.
    """

    def __init__(self, origin: str, *, counter: int | None = None) -> None:
        self.origin = origin
        self.counter = counter
        self.flags = PRESENT | VERIFIED
        self.is_embedded = False
        self.credential_id = secrets.token_bytes(32)
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        self.public_key: dict[int, Any] = {
            1: 2,
            3: -7,
            -1: 1,
            -2: point.x.to_bytes(32, "big"),
            -3: point.y.to_bytes(32, "big"),
        }
        self._user_handle = b""

    def create(self, options: dict[str, Any], name: str = "phone") -> dict[str, Any]:
        """Make the passkey; return the body of the request that adds it to the account."""
        assert options["authenticatorSelection"]["residentKey"] == "required"
        self._user_handle = from_base64(options["user"]["id"])
        length = struct.pack(">H", len(self.credential_id))
        credential = bytes(16) + length + self.credential_id + cbor2.dumps(self.public_key)
        data = self._data(options["rp"]["id"], ATTESTED) + credential
        return {
            "name": name,
            "clientData": to_base64(self._client_data("webauthn.create", options["challenge"])),
            "attestation": to_base64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal", "a future transport"],
        }

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """Sign a challenge; return the body of the request that signs in."""
        assert options["userVerification"] == "required"
        if self.counter is not None:
            self.counter += 1
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._data(options["rpId"])
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        passkey = {
            "id": to_base64(self.credential_id),
            "clientData": to_base64(client_data),
            "authenticatorData": to_base64(data),
            "signature": to_base64(signature),
            "userHandle": to_base64(self._user_handle),
        }
        return {"method": "passkey", "passkey": passkey}

    def _client_data(self, kind: str, challenge: str) -> bytes:
        fields = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.is_embedded}
        return json.dumps(fields).encode()

    def _data(self, rp_id: str, flags: int = 0) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", self.flags | flags, self.counter or 0)


def to_base64(data: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_base64(text: str) -> bytes:
    """Return the bytes in base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
