"""Tokens of sessions: only a present key and a present time verify, and the next refresh token is repeatable."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from api.services.accounts.links import read_token, sign_in_token
from api.services.accounts.tokens import Identity, RefreshToken, SessionKeys

FIRST, SECOND = (f"sesec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2))
ACCESS_SECRET = "acsec_" + base64.b64encode(bytes(32)).decode()
KEYS = SessionKeys(FIRST)
NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)
SESSION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
ANN = Identity(7, "16fd2706-8baf-433b-82eb-8c7fada847da", SESSION)
TOKEN = KEYS.issue(ANN, NOW, valid_s=600)


def decoded(part: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_names_its_account_until_its_end() -> None:
    assert TOKEN.expires_at == NOW + timedelta(seconds=600)
    for seconds in (0, 599):
        assert KEYS.read(TOKEN.text, NOW + timedelta(seconds=seconds)) == ANN
    assert KEYS.read(TOKEN.text, TOKEN.expires_at) is None
    assert ANN.buyer == "acct:16fd2706-8baf-433b-82eb-8c7fada847da"


def test_the_first_key_signs_and_all_keys_verify() -> None:
    both = SessionKeys(f"{SECOND}, {FIRST}")
    assert both.read(TOKEN.text, NOW) == ANN
    rotated = both.issue(ANN, NOW, valid_s=600)
    assert SessionKeys(SECOND).read(rotated.text, NOW) == ANN
    assert SessionKeys(SECOND).read(TOKEN.text, NOW) is None
    assert KEYS.read(rotated.text, NOW) is None


def test_a_token_without_a_signature_or_of_another_algorithm_is_refused() -> None:
    header, claims, signature = TOKEN.text.split(".")
    kid = decoded(header)["kid"]
    unsigned = encoded({**decoded(header), "alg": "none"})
    for text in (
        f"{unsigned}.{claims}.",
        f"{unsigned}.{claims}.{signature}",
        f"{header}.{encoded({**decoded(claims), 'aid': 8})}.{signature}",
        f"{encoded({**decoded(header), 'kid': 'unknown'})}.{claims}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": kid}, decoded(claims), OctKey.import_key(b"k" * 32)),
        "",
        "Bearer",
        "\N{LATIN SMALL LETTER A WITH DIAERESIS}.b.c",
        "a" * 10_000,
    ):
        assert KEYS.read(text, NOW) is None, text


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "JWT"}, {}),
        ({}, {"exp": None}),
        ({}, {"exp": "soon"}),
        ({}, {"aid": "7"}),
        ({}, {"sid": None}),
    ],
)
def test_a_signed_token_needs_its_type_and_all_claims(header: dict[str, object], claims: dict[str, object]) -> None:
    key = KEYS._signing
    given_header, given_claims = (decoded(part) for part in TOKEN.text.split(".")[:2])
    given = {name: value for name, value in {**given_claims, **claims}.items() if value is not None}
    text = jwt.encode({**given_header, **header}, given, key, algorithms=["HS256"])
    assert (KEYS.read(text, NOW) == ANN) == (not header and not claims)
    assert KEYS.read(text, NOW) is None


@pytest.mark.parametrize("header", ["alg", ["alg"], 1, None, {"alg": ["HS256"]}, {"alg": "HS256", "crit": 5}])
def test_a_token_with_a_malformed_header_is_refused(header: object) -> None:
    _, claims, signature = TOKEN.text.split(".")
    assert KEYS.read(f"{encoded(header)}.{claims}.{signature}", NOW) is None


def test_the_next_refresh_token_depends_on_the_key_the_generation_and_the_token() -> None:
    token = RefreshToken.new(SESSION)
    (following,) = KEYS.successors(token, 1)
    assert list(KEYS.successors(token, 1)) == [following]
    (of_other_key,) = SessionKeys(SECOND).successors(token, 1)
    (of_next,) = KEYS.successors(token, 2)
    (of_other_token,) = KEYS.successors(RefreshToken.new(SESSION), 1)
    assert len({each.text for each in (token, following, of_other_key, of_next, of_other_token)}) == 5
    assert list(SessionKeys(f"{SECOND},{FIRST}").successors(token, 1)) == [of_other_key, following]
    assert RefreshToken.parse(following.text) == following
    assert {RefreshToken.parse(text) for text in ("", "a", ".", "a.b", f"{SESSION[:-1]}.b")} == {None}


def test_only_the_token_of_a_link_names_the_link() -> None:
    token = sign_in_token(ACCESS_SECRET, SESSION)
    assert read_token(ACCESS_SECRET, token) == SESSION
    other = sign_in_token(ACCESS_SECRET.replace("A", "B", 1), SESSION)
    wrong = [other, token[:-1], token + "A", token.replace("S1", "S2"), token.upper(), "", "S1", f"S1.{SESSION}", "ä.b"]
    assert {read_token(ACCESS_SECRET, text) for text in wrong} == {None}
