"""Passwords, tokens, and what a request says about its sender."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from nacos_core import limits
from nacos_core.auth.attempts import FailedLogins, RightPasswords
from nacos_core.auth.identity import Password, Token, identity_of, login_of
from nacos_core.auth.passwords import hash_password, verify_password
from nacos_core.auth.tokens import KNOWN_KEYS, TokenRefused, Tokens

KEY = bytes(range(32))
NOW_MS = 1_800_000_000_000


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: dict[str, str], claims: dict[str, object], key: bytes, digest: str = "sha256") -> str:
    signed = f"{b64(json.dumps(header, separators=(',', ':')).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), digest))}"


def test_a_password_is_known_by_its_hash_alone() -> None:
    stored = hash_password("pass:wörd", b"0123456789abcdef")
    assert "pass" not in stored
    assert verify_password("pass:wörd", stored)
    assert not verify_password("pass:word", stored)
    assert hash_password("pass:wörd", b"fedcba9876543210") != stored
    with pytest.raises(ValueError, match="bcrypt"):
        verify_password("x", "bcrypt$1$2$3$4$5")


def test_a_token_is_believed_until_it_ends() -> None:
    tokens = Tokens(KEY)
    token = tokens.issue("nacos", NOW_MS)
    claims = tokens.check(token, NOW_MS)
    assert (claims.sub, claims.exp) == ("nacos", NOW_MS // 1000 + limits.TOKEN_TTL_SECONDS)
    with pytest.raises(TokenRefused, match="token expired!"):
        tokens.check(token, claims.exp * 1000)


def test_a_token_is_a_jwt_that_others_can_read() -> None:
    header, payload, _ = Tokens(KEY).issue("nacos", NOW_MS).split(".")
    assert base64.urlsafe_b64decode(header + "==") == b'{"alg":"HS256"}'
    assert json.loads(base64.urlsafe_b64decode(payload + "==")) == {"sub": "nacos", "exp": NOW_MS // 1000 + 18000}


CLAIMS: dict[str, object] = {"sub": "nacos", "exp": NOW_MS // 1000 + 100}


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        forge({"alg": "none"}, CLAIMS, KEY),
        forge({"alg": "none"}, CLAIMS, KEY).rpartition(".")[0] + ".",
        forge({"alg": "HS512"}, CLAIMS, KEY, "sha512"),
        forge({"alg": "HS256", "typ": "JWT"}, CLAIMS, KEY),
        forge({"alg": "HS256"}, CLAIMS, b"another key of thirty-two bytes!"),
        *(forge({"alg": "HS256"}, CLAIMS, key) for key in KNOWN_KEYS),
        *(forge({"alg": "HS256"}, CLAIMS, base64.b64encode(key)) for key in KNOWN_KEYS),
    ],
)
def test_a_token_that_was_not_made_here_is_refused(token: str) -> None:
    with pytest.raises(TokenRefused, match="token invalid!"):
        Tokens(KEY).check(token, NOW_MS)


def test_every_changed_character_spoils_a_token() -> None:
    tokens = Tokens(KEY)
    token = tokens.issue("nacos", NOW_MS)
    for position in range(len(token)):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        with pytest.raises(TokenRefused):
            tokens.check(changed, NOW_MS)


def test_the_test_s_own_forgery_would_pass_with_the_right_key() -> None:
    assert Tokens(KEY).check(forge({"alg": "HS256"}, CLAIMS, KEY), NOW_MS).sub == "nacos"


@pytest.mark.parametrize("key", [b"", b"short", *KNOWN_KEYS, *(base64.b64encode(key) for key in KNOWN_KEYS)])
def test_a_weak_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="token key"):
        Tokens(key)


@pytest.mark.parametrize(
    ("headers", "parameters"),
    [
        ({"accesstoken": "t"}, {}),
        ({}, {"accessToken": "t"}),
        ({"authorization": "Bearer t"}, {}),
        ({"authorization": "bearer  t "}, {}),
        ({}, {"Authorization": "Bearer t"}),
        ({"accesstoken": "t"}, {"username": "u", "password": "p"}),
    ],
)
def test_where_a_token_may_be(headers: dict[str, str], parameters: dict[str, str]) -> None:
    assert identity_of(headers, parameters) == Token("t")


def test_a_password_may_come_with_every_request() -> None:
    assert identity_of({}, {"username": "u", "password": "p"}) == Password("u", "p")
    assert identity_of({"username": "u", "password": "p"}, {}) == Password("u", "p")


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Basic dTpw"}, {"user-agent": "Nacos-Server"}, {"serveridentity": "security"}],
)
def test_nothing_else_identifies(headers: dict[str, str]) -> None:
    assert identity_of(headers, {}) is None


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(Password("u", "secret"))
    assert "secret" not in repr(Token("secret"))


def test_oversize_credentials_are_none() -> None:
    assert login_of("u", "p" * 1025) is None
    assert login_of("u" * 1025, "p") is None
    assert login_of("", "p") is None


def test_an_address_that_keeps_guessing_has_to_wait() -> None:
    failed = FailedLogins()
    for _ in range(limits.LOGIN_FAILURES_MAX):
        assert failed.wait_seconds("1.1.1.1", 0.0) == 0.0
        failed.failed("1.1.1.1", 0.0)
    assert failed.wait_seconds("1.1.1.1", 1.0) == limits.LOGIN_FAILURE_WINDOW_SECONDS - 1.0
    assert failed.wait_seconds("2.2.2.2", 1.0) == 0.0
    assert failed.wait_seconds("1.1.1.1", limits.LOGIN_FAILURE_WINDOW_SECONDS) == 0.0


def test_the_right_password_ends_the_counting() -> None:
    failed = FailedLogins()
    for _ in range(limits.LOGIN_FAILURES_MAX - 1):
        failed.failed("1.1.1.1", 0.0)
    failed.succeeded("1.1.1.1")
    failed.failed("1.1.1.1", 0.0)
    assert failed.wait_seconds("1.1.1.1", 0.0) == 0.0


def test_the_addresses_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LOGIN_ADDRESSES_COUNT_MAX", 3)
    monkeypatch.setattr(limits, "LOGIN_FAILURES_MAX", 1)
    failed = FailedLogins()
    for number in range(10):
        failed.failed(f"10.0.0.{number}", 0.0)
    waiting = [number for number in range(10) if failed.wait_seconds(f"10.0.0.{number}", 1.0)]
    assert waiting == [7, 8, 9]


def test_right_passwords_are_remembered_for_a_while_and_not_in_clear() -> None:
    right = RightPasswords(KEY)
    login = Password("nacos", "secret")
    assert not right.knows(login, 0.0)
    right.remember(login, 0.0)
    assert right.knows(login, 59.0)
    assert not right.knows(login, 60.0)
    assert not right.knows(Password("nacos", "other"), 0.0)
    assert not right.knows(Password("nacoss", "ecret"), 0.0)
    assert all(b"secret" not in digest for digest in right._until)
    assert all(len(digest) == hashlib.sha256().digest_size for digest in right._until)
