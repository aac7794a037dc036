"""Tokens of an identity provider: real ones, signed here, and checked by keys that a server here gives out."""

import asyncio
import base64
import hashlib
import hmac
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from engine.clock import SystemClock
from memql.errors import Refusal
from server.access import obstacles
from server.access.tokens import Tokens
from server.authentication import Auth, Jwt
from server.identity import Identity
from server.settings import Settings

ISSUER, AUDIENCE = "https://id.example", "memql"
ED, EC, RSA = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(
    65_537, 2_048
)  # fmt: skip


def public(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    of: dict[str, Any] = {"Ed25519": OKPAlgorithm, "EC": ECAlgorithm, "RSA": RSAAlgorithm}
    algorithm = next(algorithm for name, algorithm in of.items() if name in type(key).__name__)
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


def claims(**more: Any) -> dict[str, Any]:
    now = SystemClock().now() // 1_000_000
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600, "tenant": "default"}
    return {name: value for name, value in {**said, "role": "member", **more}.items() if value is not None}


def token(key: Any = ED, algorithm: str = "EdDSA", kid: str = "ed", **more: Any) -> str:
    return jwt.encode(claims(**more), key, algorithm=algorithm, headers={"kid": kid})


class Provider:
    """An identity provider: a JWK set over HTTP, which counts how often it is asked."""

    def __init__(self) -> None:
        self.keys = [public(ED, "ed"), public(EC, "ec"), public(RSA, "rsa")]
        self.asked = 0
        self.body: bytes | None = None
        self.status = 200
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                body = provider.body if provider.body is not None else orjson.dumps({"keys": provider.keys})
                self.send_response(provider.status)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *given: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    opened = Provider()
    yield opened
    opened.close()


Asks = Callable[..., Any]


@pytest.fixture
def trusting(serving: Callable[..., Any], provider: Provider) -> Callable[..., Any]:
    """A server that takes the provider's tokens: how it answers each."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Asks]:
        told = Jwt(**{"keys": provider.url, "issuer": ISSUER, "audience": AUDIENCE} | settings)
        async with serving(auth=Auth(jwt=told, failed_attempts=1_000)) as caller:
            await caller.do("remember", text="tea")

            async def ask(shown: str, query: str = "{ position }") -> tuple[int, Any]:
                headers = {"authorization": f"Bearer {shown}"}
                answer = await caller.http.post("/graphql", json={"query": query}, headers=headers)
                body = answer.json()
                return answer.status_code, body["data"] if "errors" not in body else body["errors"][0]["message"]

            yield ask

    return opened


async def test_a_token_is_an_identity(trusting: Callable[..., Any], provider: Provider) -> None:
    """Principal, tenant, role, owners: what the provider says; fetched once, and only when the first token comes."""
    query = "{ me { principal tenant role scopes owners kind expiresAt } }"
    async with trusting() as ask:
        assert provider.asked == 0
        shown = token(role="curator", owners=["team"], agent=True)
        status, told = await ask(shown, query)
        assert status == 200, told
        assert {**told["me"], "expiresAt": None} == {
            "principal": "ada", "tenant": "default", "role": "CURATOR", "owners": ["team"], "kind": "AGENT",
            "scopes": ["READ", "WRITE", "ERASE", "AUDIT"], "expiresAt": None,
        }  # fmt: skip
        for key, algorithm, kid in ((ED, "EdDSA", "ed"), (EC, "ES256", "ec"), (RSA, "RS256", "rsa")):
            assert (await ask(token(key, algorithm, kid)))[0] == 200, algorithm
        assert (await ask(token(role="reader"), 'mutation { remember(input: {text: "x"}) { __typename } }'))[
            1
        ].startswith("`remember` needs the scope `write`")
        assert provider.asked == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"exp": 1}, "has expired"),
        ({"exp": 10**30}, "ends at a time that is none"),
        ({"exp": 2e308}, "is not signed as it must be"),
        ({"exp": "soon"}, "is not signed as it must be"),
        ({"nbf": 2**40}, "not good yet"),
        ({"aud": "billing"}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer's"),
        ({"exp": None}, "lacks the claim `exp`"),
        ({"aud": None}, "lacks the claim `aud`"),
        ({"sub": None}, "lacks the claim `sub`"),
        ({"sub": "memql:consolidation"}, "names no principal (claim `sub`)"),
        ({"tenant": None}, "names no tenant (claim `tenant`)"),
        ({"tenant": "../other"}, "names no tenant (claim `tenant`)"),
        ({"role": None}, "names no role: reader, member, curator, admin (claim `role`)"),
        ({"role": ["admin"]}, "names no role"),
        ({"owners": "everybody"}, "does not list owners"),
        ({"owners": [1]}, "does not list owners"),
    ],
)
async def test_what_is_wrong_with_a_token_is_said(trusting: Callable[..., Any], more: dict[str, Any], why: str) -> None:
    """In our words, whatever the library calls it."""
    async with trusting() as ask:
        status, message = await ask(token(**more))
        assert status == 401
        assert why in message


async def test_no_token_says_how_it_is_checked(trusting: Callable[..., Any]) -> None:
    """Not at all, by a shared secret, by another algorithm than the key's, by a key that it brings along."""
    pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip

    def signed(header: dict[str, Any], secret: bytes | None) -> str:
        parts = b".".join(
            base64.urlsafe_b64encode(orjson.dumps(each)).rstrip(b"=") for each in (header, claims(role="admin"))
        )
        made = hmac.digest(secret, parts, hashlib.sha256) if secret is not None else b""
        return (parts + b"." + base64.urlsafe_b64encode(made).rstrip(b"=")).decode()

    stranger = ed25519.Ed25519PrivateKey.generate()
    async with trusting() as ask:
        for shown in (
            signed({"alg": "none", "kid": "ed"}, None),
            signed({"alg": "None", "kid": "rsa"}, None),
            signed({"alg": "HS256", "kid": "rsa"}, pem),
            signed({"alg": "HS256", "kid": "ed"}, b""),
            token(stranger),
            jwt.encode(claims(), stranger, "EdDSA", headers={"kid": "ed", "jwk": public(stranger, "ed")}),
            token(RSA, "RS512", "rsa"),
            token()[:-4] + "AAAA",
        ):
            assert (await ask(shown))[1].startswith("this token is not signed as it must be"), shown
        assert (await ask(jwt.encode(claims(), ED, "EdDSA")))[1].startswith("this token does not say by which key")
        deep = base64.urlsafe_b64encode(b"[" * 5_000).rstrip(b"=").decode()
        for shown in ("a.b.c", f"{deep}.e30.e30", "...."):
            assert (await ask(shown))[1].startswith("this is neither a key of this server nor a token"), shown
        assert (await ask("x" * 9_000))[1].startswith("this token is longer than `auth.jwt.token_characters`")


async def test_a_new_key_is_fetched_but_not_at_everybodys_wish(
    trusting: Callable[..., Any], provider: Provider
) -> None:
    """An unknown id leads to a fetch; made-up ones soon lead to none."""
    new = ed25519.Ed25519PrivateKey.generate()
    async with trusting(fetch_floor_seconds=1) as ask:
        assert (await ask(token()))[0] == 200
        assert [(await ask(token(kid=f"made-up-{n}")))[0] for n in range(20)] == [401] * 20
        assert provider.asked == 1
        provider.keys = [public(new, "new")]
        await asyncio.sleep(1.1)
        assert (await ask(token(new, kid="new")))[0] == 200
        assert (provider.asked, (await ask(token()))[0]) == (2, 401)  # the old key was withdrawn


async def test_a_withdrawn_key_ceases_to_be_good(provider: Provider) -> None:
    """Also for tokens that are known; while the provider does not answer keys are used for as long again."""

    class Told(SystemClock):
        seconds = 0.0

        def monotonic(self) -> float:
            return self.seconds

    clock = Told()
    told = Jwt(keys=provider.url, issuer=ISSUER, audience=AUDIENCE, fresh_seconds=100, fetch_floor_seconds=10)
    tokens, shown = Tokens(told, clock, 10), token()

    async def found() -> object:
        return tokens.known(shown) or await tokens.identity(shown)

    assert isinstance(await found(), Identity)
    clock.seconds = 99
    assert tokens.known(shown)
    provider.status, clock.seconds = 500, 100
    assert tokens.known(shown) is None
    assert isinstance(await found(), Identity)
    assert (provider.asked, tokens.known(shown) is not None) == (2, True)
    clock.seconds = 200
    assert isinstance(await found(), Refusal)
    provider.status, provider.keys, clock.seconds = 200, [public(EC, "ec")], 210
    assert await found() == "this token was signed by a key that is not the provider's"


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (302, b""), (200, b"no JSON"), (200, b"[]"), (200, b'{"keys": 1}'), (200, b" " * 2_000)],
)
async def test_keys_that_cannot_be_had(
    trusting: Callable[..., Any], provider: Provider, status: int, body: bytes
) -> None:
    """It is the provider that is not there, not the token that is wrong; and no redirect is followed."""
    provider.status, provider.body = status, body
    async with trusting(keyset_bytes=1_024) as ask:
        code, message = await ask(token())
        assert (code, message.startswith("the keys that tokens are checked with can't be had")) == (503, True)
        assert (await ask(token()))[0] == 503
        assert provider.asked == 1


async def test_unfit_keys_are_passed_over(trusting: Callable[..., Any], provider: Provider) -> None:
    """Symmetric ones, those for encryption, of algorithms that are not taken, without an id, or broken."""
    secret = base64.urlsafe_b64encode(b"s" * 32).rstrip(b"=").decode()
    provider.keys = [
        {"kty": "oct", "k": secret, "kid": "oct", "alg": "HS256"},
        public(RSA, "enc", use="enc"),
        {"kty": "EC", "crv": "P-256", "x": "", "y": "", "kid": "broken"},
        {key: value for key, value in public(ED, "x").items() if key != "kid"},
        public(EC, "ec"),
    ]
    async with trusting(algorithms="EdDSA,ES256") as ask:
        assert (await ask(token(EC, "ES256", "ec")))[0] == 200
        symmetric = jwt.encode(claims(), b"s" * 32, "HS256", headers={"kid": "oct"})
        for shown in (symmetric, token(RSA, "RS256", "enc"), token(kid="broken")):
            assert (await ask(shown))[1].startswith("this token was signed by a key that is not the provider's")


async def test_a_file_of_keys_and_claims_of_ones_own(
    serving: Callable[..., Any], tmp_path: Path, provider: Provider
) -> None:
    """Nothing is fetched; what the provider calls things is a setting."""
    file = tmp_path / "keys.json"
    file.write_bytes(orjson.dumps({"keys": [public(ED, "ed")]}))
    told = Jwt(
        keys=str(file), issuer=ISSUER, audience=AUDIENCE, tenant_claim="org", principal_claim="email",
        role_claim="https://memql.example/role",
    )  # fmt: skip
    async with serving(auth=Auth(jwt=told)) as caller:
        shown = token(
            tenant=None, org="team", email="ada@example.org", role=None, **{"https://memql.example/role": "reader"}
        )
        headers = {"authorization": f"Bearer {shown}"}
        answer = await caller.http.post("/graphql", json={"query": "{ me { principal tenant role } }"}, headers=headers)
        assert answer.json()["data"]["me"] == {"principal": "ada@example.org", "tenant": "team", "role": "READER"}
    assert provider.asked == 0


async def test_tokens_are_nothing_where_none_are_taken(caller: Any) -> None:
    """Unless it is configured, a token is as good as any other wrong key."""
    headers = {"authorization": f"Bearer {token()}"}
    answer = await caller.http.post("/graphql", json={"query": "{ position }"}, headers=headers)
    assert answer.status_code == 401


def test_what_would_let_others_in_keeps_it_from_starting() -> None:
    """A token for something else, a shared secret, keys that anybody on the way can change."""

    def places(**told: str) -> list[str]:
        return [problem.place for problem in obstacles(Settings(auth=Auth(jwt=Jwt(**told))))]

    assert places(keys="keys.json") == ["auth.jwt.issuer", "auth.jwt.audience"]
    whole = {"keys": "https://id.example/jwks", "issuer": ISSUER, "audience": AUDIENCE}
    assert places(**whole) == []
    assert places(**whole | {"keys": "http://id.example/jwks"}) == ["auth.jwt.keys"]
    assert places(**whole | {"algorithms": "EdDSA,HS256,none"}) == ["auth.jwt.algorithms"] * 2
