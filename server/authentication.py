"""The settings of who is let in: the table `auth`, and `auth.jwt` for tokens that another system signs.

Lists are text with commas between their members: a flag or a variable holds nothing else.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


def members(listed: str) -> tuple[str, ...]:
    """What a setting lists."""
    return tuple(filter(None, (each.strip() for each in listed.split(","))))


class Jwt(BaseModel):
    """Tokens of an identity provider. None is taken unless `keys` is set; then issuer and audience must be too."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    keys: str = ""
    """The provider's public keys as a JWK set: a file, or an https address. Empty: no tokens are taken."""
    issuer: str = ""
    """What `iss` of a token must be."""
    audience: str = ""
    """What `aud` of a token must be or have: a token that was made for another system is not for this one."""
    algorithms: str = "EdDSA,ES256,ES384,RS256,PS256"
    """Algorithms that are taken. Only asymmetric ones can be: who can check a token must not be able to make one."""
    leeway_seconds: int = Field(30, ge=0, le=300)
    """How far the clocks of the provider and of this machine may be apart."""
    tenant_claim: str = Field("tenant", min_length=1)
    """Claim that names the tenant."""
    principal_claim: str = Field("sub", min_length=1)
    """Claim that names the principal."""
    role_claim: str = Field("role", min_length=1)
    """Claim that names the role: reader, member, curator or admin."""
    owners_claim: str = Field("owners", min_length=1)
    """Claim that lists whose items the principal acts for; a token without it acts for itself alone."""
    agent_claim: str = Field("agent", min_length=1)
    """Claim that is true where the principal is an agent; a token without it is a user's."""
    fetch_floor_seconds: int = Field(10, ge=1)
    """Least time between two fetches of the keys: tokens with made-up key ids must not make this server ask on and
    on."""
    fresh_seconds: int = Field(3_600, ge=1)
    """How long fetched keys are used before they are fetched again, so that a withdrawn one ceases to be good."""
    fetch_timeout_seconds: float = Field(5, gt=0)
    """Longest that a fetch of the keys takes; whoever waits for it is told."""
    keyset_bytes: int = Field(262_144, ge=1_024)
    """Largest JWK set: a hundred keys are a tenth of it."""
    token_characters: int = Field(8_192, ge=256)
    """Longest token that is looked at."""


class Auth(BaseModel):
    """Who is let in, and by what."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    local: bool = True
    """Whoever asks from this machine is its administrator and needs no key, while the server listens to nobody else.
    Not behind a proxy, which asks from this machine on behalf of others."""
    plain_http: bool = False
    """Listens beyond this machine without TLS: only where a proxy in front does TLS, since keys travel with each
    request."""
    origins: str = ""
    """Origins of pages, beside this server's own, that may ask it from a browser, with a key; separated by commas, such
    as https://console.example."""
    failed_attempts: int = Field(30, ge=1)
    """Wrong credentials that one peer may show in a minute. What was right lately is still let in: behind a proxy all
    are one peer."""
    requests_per_minute: int = Field(12_000, ge=1)
    """Requests that one key, or one token's principal, may make in a minute: a loop gone wrong is not to take the
    server from the others. A WebSocket's operations are one request."""
    peers: int = Field(10_000, ge=1)
    """Peers and keys that are counted at once; beyond them the oldest are forgotten."""
    cached: int = Field(4_096, ge=1)
    """Keys and tokens that are known again without being checked anew; one takes a kilobyte."""
    keys: int = Field(1_000, ge=1)
    """Keys that one tenant may have at once, the revoked and the expired not counted."""
    jwt: Jwt = Jwt()
    """Tokens of an identity provider."""


class Tls(BaseModel):
    """The certificate that the server shows. Empty: it speaks plain HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    certificate: Path | None = None
    """File with the certificate and those that lead to a known one, in PEM."""
    key: Path | None = None
    """File with its private key, in PEM."""
