"""Who a request is from: keys that were given out, trust in this machine, pages of other origins, and guessing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse
from starlette.datastructures import Headers
from typer.testing import CliRunner

from engine.clock import SystemClock
from memql.errors import Refusal
from server.access import ADMIN_KEY, admin_key, form, keystore, obstacles
from server.access.keystore import FILE, SECRET_FILE, KeyStore, NewKey
from server.access.origins import is_for_others, may_ask
from server.access.tally import WINDOW_SECONDS, Tally, network
from server.api.requirements import lacking, needs_of
from server.authentication import Auth, Tls
from server.cli import app
from server.identity import ROLES, Identity, Role, Scope, Sort, acting
from server.settings import Settings
from tests.server.served import connected

DAY = 86_400_000_000


class Told(SystemClock):
    """A clock that is told what time it is."""

    def __init__(self) -> None:
        self.at = super().now()

    def now(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: Path, clock: Told) -> Iterator[KeyStore]:
    with closing(KeyStore(tmp_path, clock, cached=2, most=3)) as opened:
        yield opened


def made(store: KeyStore, name: str = "bot", tenant: str = "default", **more: Any) -> NewKey:
    new = store.create(name, tenant, "bot", Role.MEMBER, by="root", scopes=ROLES[Role.MEMBER], **more)
    assert isinstance(new, NewKey), new
    return new


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


# The form of a key, and what is kept of it


def test_a_mistyped_key_is_known_as_one() -> None:
    """By its checksum, before anything is looked up; whichever character it is."""
    id_, key = form.made(bytes(range(42)))
    assert form.id_of(key) == id_
    for place in range(3, len(key)):
        other = "a" if key[place] != "a" else "b"
        assert form.id_of(key[:place] + other + key[place + 1 :]) is None, place
    assert form.id_of(key + "a") is None


def test_no_file_holds_the_key(store: KeyStore, tmp_path: Path) -> None:
    """Nor its secret part; and only the owner of the directory may read what there is."""
    new = made(store)
    store.close()
    for file in (FILE, SECRET_FILE):
        content = (tmp_path / file).read_bytes()
        assert new.written.encode() not in content
        assert new.written.rpartition("_")[2][:52].encode() not in content
        assert (tmp_path / file).stat().st_mode & 0o777 == 0o600


def test_a_key_is_found_by_who_has_it(store: KeyStore, clock: Told) -> None:
    """And is known from memory the second time; another with the same id is nobody's."""
    new = made(store, owners=frozenset({"ada"}), sort=Sort.AGENT, expires_at=clock.at + DAY)
    assert store.known(new.written) is None
    assert store.find(new.written) == new.key == store.known(new.written)
    _, forged = form.made(bytes(42))
    assert store.find(forged) is None
    identity = new.key.identity
    assert (identity.by.id, identity.by.owners, identity.by.admin) == ("bot", frozenset({"ada"}), False)
    assert (identity.tenant, identity.expires_at, identity.sort) == ("default", clock.at + DAY, Sort.AGENT)


def test_memory_is_bounded(store: KeyStore) -> None:
    """Two are kept here, and all are found."""
    keys = [made(store, str(n)) for n in range(3)]
    assert [store.find(new.written) for new in keys] == [new.key for new in keys]
    assert [store.known(new.written) is None for new in keys] == [True, False, False]


def test_a_revoked_key_is_forgotten_at_once(store: KeyStore, clock: Told) -> None:
    """Also where it was known; again is once, and who administers another tenant finds no such key."""
    new = made(store)
    store.find(new.written)
    assert isinstance(store.revoke(new.key.id, "other"), Refusal)
    store.revoke(new.key.id, "default")
    clock.at += DAY
    again = store.revoke(new.key.id, None)
    assert not isinstance(again, Refusal)
    assert again.revoked_at == clock.at - DAY
    assert store.known(new.written) is None
    found = store.find(new.written)
    assert found
    assert not isinstance(found, Refusal)
    assert found.ended(clock.at) == "this key was revoked"


def test_a_rotated_key_overlaps(store: KeyStore, clock: Told) -> None:
    """The new one is like it and lasts as long as it was to last; the old one ends with the overlap."""
    old = made(store, owners=frozenset({"ada"}), expires_at=clock.at + 10 * DAY)
    clock.at += 4 * DAY
    new = store.rotate(old.key.id, "default", by="root", overlap=DAY)
    assert isinstance(new, NewKey)
    assert (new.key.owners, new.key.follows, new.key.expires_at) == (
        old.key.owners, old.key.id, clock.at + 10 * DAY,
    )  # fmt: skip
    found = store.find(old.written)
    assert found
    assert not isinstance(found, Refusal)
    assert (found.ended(clock.at), found.ended(clock.at + DAY)) == ("", "this key has expired")
    assert isinstance(store.rotate(old.key.id, "other", by="root", overlap=0), Refusal)
    clock.at += DAY
    refusal = store.rotate(old.key.id, "default", by="root", overlap=0)
    assert isinstance(refusal, Refusal)
    assert refusal.problems[0].code == "KEY_ENDED"


def test_keys_are_bounded_by_name(store: KeyStore) -> None:
    """Of those that are good: a revoked one makes room."""
    first, _, _ = [made(store) for _ in range(3)]
    over = store.create("x", "default", "bot", Role.READER, by="root", scopes=ROLES[Role.READER])
    assert isinstance(over, Refusal)
    assert "`auth.keys` allows (3)" in over.problems[0].message
    store.revoke(first.key.id, "default")
    made(store)
    made(store, tenant="other")


def test_use_is_written_down_once_in_a_while(store: KeyStore, clock: Told, tmp_path: Path) -> None:
    """Told at once, on the disk when it is folded."""
    new = made(store)
    assert not store.used(new.key)
    (told,) = store.of("default")  # type: ignore[misc]
    assert told.used_at == clock.at
    assert _used(tmp_path) == [None]
    store.fold()
    assert _used(tmp_path) == [clock.at]


def _used(folder: Path) -> list[int | None]:
    with closing(sqlite3.connect(folder / FILE)) as db:
        return [used for (used,) in db.execute("SELECT used_at FROM keys")]


def test_another_secret_is_said_to_be_one(store: KeyStore, tmp_path: Path, clock: Told) -> None:
    """Else every key would be called wrong."""
    new = made(store)
    store.close()
    (tmp_path / SECRET_FILE).write_bytes(bytes(32))
    with closing(KeyStore(tmp_path, clock, cached=2, most=3)) as other:
        refusal = other.find(new.written)
    assert isinstance(refusal, Refusal)
    assert refusal.problems[0].code == "KEYS_UNREADABLE"


def test_the_first_administrator_has_a_key_of_their_own(store: KeyStore, tmp_path: Path) -> None:
    """Made once, for the owner's eyes, for every tenant."""
    path = admin_key(tmp_path, store)
    assert path == tmp_path / ADMIN_KEY == admin_key(tmp_path, store)
    assert path.stat().st_mode & 0o777 == 0o600
    found = store.find(path.read_text("ascii").strip())
    assert found
    assert not isinstance(found, Refusal)
    assert (found.tenant, found.identity.by.admin, found.identity.by.id) == (None, True, "local")
    store.revoke(found.id, None)
    before = path.read_text("ascii")
    assert admin_key(tmp_path, store) == path
    assert path.read_text("ascii") != before


# Over HTTP


async def _key(caller: Any, **more: Any) -> str:
    document = "mutation ($input: CreateKeyInput!) { k: createKey(input: $input) { ... on KeyPayload { secret } } }"
    answer = await caller.ask(document, None, input={"name": "bot", "principal": "bot", **more})
    secret: str = answer["k"]["secret"]
    return secret


async def _code(caller: Any, query: str = "{ position }", **headers: str) -> tuple[int, str]:
    answer = await caller.http.post("/graphql", json={"query": query}, headers=headers)
    errors = answer.json().get("errors")
    return answer.status_code, errors[0]["extensions"]["code"] if errors else ""


async def test_what_is_shown_counts_also_here(caller: Any) -> None:
    """Whoever shows nothing is at this machine, and whoever shows something wrong is nobody."""
    document = "{ me { principal role scopes tenant owners kind expiresAt } }"
    assert (await caller.ask(document))["me"]["role"] == "ADMIN"
    key = await _key(caller, owners=["ada"])
    answer = await caller.http.post("/graphql", json={"query": document}, headers=bearer(key))
    assert answer.json()["data"]["me"] == {
        "principal": "bot", "role": "MEMBER", "scopes": ["READ", "WRITE"], "tenant": "default", "owners": ["ada"],
        "kind": "AGENT", "expiresAt": None,
    }  # fmt: skip
    for wrong in (f"Bearer {key[:-1]}", "Bearer nonsense", "Bearer", "Basic YTpi", "", "Bearer mk_a_b"):
        assert await _code(caller, authorization=wrong) == (401, "UNAUTHENTICATED"), wrong
    answer = await caller.http.post("/graphql", json={"query": "{ position }"}, headers={"authorization": "Bearer x"})
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "memql keys create" in answer.json()["errors"][0]["message"]


async def test_a_revocation_holds_at_once(caller: Any) -> None:
    """For the very next request; the list says so, and shows no secret."""
    key = await _key(caller)
    await caller.do("remember", text="tea")
    assert (await _code(caller, **bearer(key)))[0] == 200
    await caller.ask('mutation { revokeKey(input: {id: "%s"}) { __typename } }' % form.id_of(key))  # noqa: UP031
    assert await _code(caller, **bearer(key)) == (401, "UNAUTHENTICATED")
    (told,) = (await caller.ask("{ keys { id revokedAt usedAt } }"))["keys"]
    assert told["revokedAt"]
    assert told["usedAt"]


async def test_a_proxy_or_a_foreign_page_is_not_this_machine(caller: Any) -> None:
    """Whoever they speak for shows a key, or is nobody."""
    await caller.do("remember", text="tea")
    for headers in (
        {"x-forwarded-for": "203.0.113.7"}, {"forwarded": "for=203.0.113.7"}, {"via": "1.1 proxy"},
        {"x-forwarded-proto": "https"}, {"x-real-ip": "203.0.113.7"}, {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):  # fmt: skip
        assert await _code(caller, **headers) == (401, "UNAUTHENTICATED"), headers
    key = await _key(caller)
    assert await _code(caller, **bearer(key), **{"x-forwarded-for": "203.0.113.7"}) == (200, "")
    assert await _code(caller, origin="http://localhost") == (200, "")
    for origin in ("http://localhost:3000", "https://evil.example", "null"):
        assert await _code(caller, origin=origin) == (403, "WRONG_ORIGIN"), origin
        assert await _code(caller, origin=origin, **bearer(key)) == (403, "WRONG_ORIGIN"), origin


async def test_trust_in_this_machine_can_be_withdrawn(serving: Callable[..., Any]) -> None:
    """Then everybody shows a key, and health tells strangers no names."""
    async with serving(auth=Auth(local=False)) as caller:
        assert await _code(caller) == (401, "UNAUTHENTICATED")
        told = (await caller.http.get("/readyz")).json()
    assert told.keys() == {"status", "version"}


async def test_an_allowed_origin_asks_with_a_key(serving: Callable[..., Any]) -> None:
    """A browser asks first and is told what it may send; without a key the page is nobody."""
    page = "https://console.example"
    async with serving(auth=Auth(origins=page)) as caller:
        await caller.do("remember", text="tea")
        asked = {"origin": page, "access-control-request-method": "POST"}
        asked |= {"access-control-request-headers": "authorization,content-type,x-memql-tenant"}
        answer = await caller.http.options("/graphql", headers=asked)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
        assert "access-control-allow-credentials" not in answer.headers
        assert await _code(caller, origin=page) == (401, "UNAUTHENTICATED")
        assert await _code(caller, origin=page, **bearer(await _key(caller))) == (200, "")
        token = {"authorization": f"Bearer {await _key(caller)}"}
        async with caller.listening() as url, connected(url, token, {"origin": page}) as socket:
            await socket.subscribe("{ me { role } }")
            assert (await socket.data())["role"] == "MEMBER"
        answer = await caller.http.options("/graphql", headers=asked | {"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_guessing_is_told_to_stop(serving: Callable[..., Any]) -> None:
    """With when to try again; what was right lately is still let in, since behind a proxy all are one peer."""
    async with serving(auth=Auth(failed_attempts=3)) as caller:
        await caller.do("remember", text="tea")
        known, fresh = await _key(caller), await _key(caller)
        assert await _code(caller, **bearer(known)) == (200, "")
        codes = [await _code(caller, **bearer(form.made(bytes(41) + bytes([n]))[1])) for n in range(4)]
        assert codes == [(401, "UNAUTHENTICATED")] * 3 + [(429, "TOO_MANY_ATTEMPTS")]
        answer = await caller.http.post("/graphql", json={"query": "{ position }"}, headers=bearer("x"))
        assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS
        assert await _code(caller, **bearer(known)) == (200, "")
        assert await _code(caller, **bearer(fresh)) == (429, "TOO_MANY_ATTEMPTS")


def test_failures_are_counted_by_network_and_forgotten() -> None:
    """Addresses of one IPv6 network are one peer; the oldest peers are forgotten first."""
    tally = Tally(most=2, kept=2)
    for n in range(2):
        tally.count(network(f"2001:db8::{n}"), 0.0)
    assert tally.wait(network("2001:db8::ffff"), 10.0) == WINDOW_SECONDS - 10
    assert tally.wait(network("2001:db8:0:1::"), 10.0) == 0
    assert tally.wait(network("2001:db8::"), WINDOW_SECONDS + 1.0) == 0
    for peer in ("192.0.2.1", "192.0.2.2"):
        tally.count(network(peer), 20.0)
    assert tally.wait(network("2001:db8::ffff"), 21.0) == 0


async def test_a_loop_gone_wrong_is_slowed(serving: Callable[..., Any]) -> None:
    """Each key by itself, with when to go on; who sits at this machine is not counted."""
    async with serving(auth=Auth(requests_per_minute=3)) as caller:
        await caller.do("remember", text="tea")
        one, other = await _key(caller), await _key(caller)
        assert [(await _code(caller, **bearer(one)))[0] for _ in range(5)] == [200, 200, 200, 429, 429]
        assert await _code(caller, **bearer(one)) == (429, "TOO_MANY_REQUESTS")
        assert await _code(caller, **bearer(other)) == (200, "")
        assert [(await _code(caller))[0] for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("http://localhost:8484", "localhost:8484", True),
        ("https://memql.example", "memql.example", True),
        ("https://memql.example", "memql.example:443", True),
        ("http://[::1]:8484", "[::1]:8484", True),
        ("http://localhost:3000", "localhost:8484", False),
        ("https://evil.example", "memql.example", False),
        ("null", "localhost:8484", False),
        ("http://localhost:x", "localhost:8484", False),
        ("https://console.example", "memql.example", True),
        ("https://console.example.evil", "memql.example", False),
    ],
)
def test_which_pages_may_ask(origin: str, host: str, may: bool) -> None:
    """The server's own and those that are allowed; a WebSocket's handshake is asked the same."""
    assert may_ask(Headers({"origin": origin, "host": host}), {"https://console.example"}) is may
    assert may_ask(Headers({"host": host}), ())
    assert not is_for_others(Headers({"host": host}))


async def test_a_key_costs_microseconds(caller: Any, tmp_path: Path) -> None:
    """From memory: a thousand identities in well under a tenth of a second, without a file being touched."""
    key = await _key(caller)
    await _code(caller, **bearer(key))
    with closing(keystore(Settings(data=tmp_path / "data"), SystemClock())) as store:
        store.find(key)
        (tmp_path / "data" / FILE).rename(tmp_path / "away")
        clock = SystemClock()
        began = clock.monotonic()
        assert all(store.known(key) for _ in range(1_000))
        assert clock.monotonic() - began < 0.1


# Before it listens


def test_a_server_for_others_needs_names_and_tls(tmp_path: Path) -> None:
    """All that is missing is said at once; a proxy that does TLS has to be told of."""
    codes = [problem.code for problem in obstacles(Settings(host="0.0.0.0"))]
    assert codes == ["PLAIN_HTTP", "HOSTS_MISSING"]
    proxied = Settings(host="0.0.0.0", hosts="memql.example", auth=Auth(plain_http=True))
    assert obstacles(proxied) == []
    assert obstacles(Settings(host="192.0.2.1", auth=Auth(plain_http=True))) == []
    assert obstacles(Settings()) == []
    half = Settings(tls=Tls(certificate=tmp_path / "cert.pem"))
    assert [problem.place for problem in obstacles(half)] == ["tls.key"]
    lost = Settings(tls=Tls(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem"))
    assert [problem.code for problem in obstacles(lost)] == ["TLS_UNUSABLE"]
    (wrong,) = obstacles(Settings(auth=Auth(origins="https://a.example, console.example/x")))
    assert wrong.place == "auth.origins"


async def test_a_server_for_others_answers_to_its_names(serving: Callable[..., Any]) -> None:
    """To whoever shows a key, also from this machine."""
    async with serving(host="0.0.0.0", hosts="memql.example", auth=Auth(plain_http=True)) as caller:
        assert await _code(caller, host="evil.example") == (421, "WRONG_HOST")
        assert await _code(caller, host="memql.example:8484") == (401, "UNAUTHENTICATED")
        assert await _code(caller) == (401, "UNAUTHENTICATED")


# The commands


def run(*words: str | Path, **environ: str) -> Any:
    return CliRunner(env=environ).invoke(app, [str(word) for word in words])


def test_keys_by_the_command_line(tmp_path: Path) -> None:
    """Made, listed, rotated and revoked, without a server; standard output is the key alone."""
    here = ("--data", tmp_path, "--tenant", "team")
    told = run("keys", "create", "support bot", "--principal", "bot", "--owner", "ada", "--days", "7", *here)
    assert told.exit_code == 0, told.output
    id_ = form.id_of(told.stdout.strip())
    assert id_
    rotated = run("keys", "rotate", id_, "--hours", "0", *here)
    assert form.id_of(rotated.stdout.strip()), rotated.output
    assert f"{id_} (support bot) is revoked" in run("keys", "revoke", id_, *here).stdout
    listed = run("keys", "list", *here).stdout
    assert listed.count("support bot") == 2
    assert run("keys", "list", "--data", tmp_path, "--tenant", "other", "--format", "json").stdout.strip() == "[]"
    nobody = run("keys", "revoke", "aaaa", *here)
    assert (nobody.exit_code, "no key `aaaa`" in nobody.stderr) == (1, True)
    beyond = run("keys", "create", "x", "--principal", "bot", "--role", "reader", "--scope", "write", *here)
    assert "the role reader has no scope `write`" in beyond.stderr
    assert run("keys", "create", "x", "--principal", "memql:worker", *here).exit_code == 1


def test_a_key_counts_for_a_command_too(tmp_path: Path) -> None:
    """What a command shows is what it may do, also on its own machine."""
    key = run("keys", "create", "r", "--principal", "r", "--role", "reader", "--data", tmp_path).stdout.strip()
    told = run("keys", "list", "--data", tmp_path, MEMQL_KEY=key)
    assert (told.exit_code, "FORBIDDEN at keys: `keys` needs the scope `admin`" in told.stderr) == (1, True)
    file = tmp_path / "a.key"
    file.write_text(f"{key}\n")
    told = run("keys", "list", "--data", tmp_path, "--set", f"key_file={file}")
    assert "needs the scope `admin`" in told.stderr


def test_a_deleted_tenant_takes_its_keys_along(tmp_path: Path) -> None:
    """They open nothing when a tenant of that name is made again."""
    here = ("--data", tmp_path, "--tenant", "team")
    key = run("keys", "create", "x", "--principal", "bot", *here).stdout.strip()
    written = run("query", "REMEMBER (m:Memory {text: 'tea'})", *here, MEMQL_KEY=key)
    assert written.exit_code == 0, written.output
    assert run("tenants", "delete", "team", "--yes", "--data", tmp_path).exit_code == 0
    again = run("query", "REMEMBER (m:Memory {text: 'tea'})", *here, MEMQL_KEY=key)
    assert "this is no key of this server" in again.stderr


# Scopes


def test_a_field_that_says_nothing_is_an_administrators() -> None:
    """What stands in no table is refused to everybody else."""
    document = parse("{ everythingThereIs }")
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    for role in Role:
        identity = Identity(acting("x", frozenset(), ROLES[role]), ROLES[role])
        assert (lacking(needs_of(document, operation), identity) is None) is (role is Role.ADMIN)


async def test_a_key_may_have_fewer_scopes(caller: Any) -> None:
    """A member that only reads is refused in words, and nothing is done."""
    key = await _key(caller, scopes=["READ"])
    write = 'mutation { remember(input: {text: "tea"}) { __typename } }'
    answer = await caller.http.post("/graphql", json={"query": write}, headers=bearer(key))
    (error,) = answer.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["scope"]) == ("FORBIDDEN", "write")
    assert error["message"].startswith("`remember` needs the scope `write`, which you do not have: ask with a key")
    accepted = {**bearer(key), "accept": "application/graphql-response+json"}
    assert (await caller.http.post("/graphql", json={"query": write}, headers=accepted)).status_code == 403
    assert await _code(caller, **bearer(key)) == (200, "NOT_FOUND")  # no tenant was made
    assert Scope.WRITE not in ROLES[Role.READER]


@pytest.mark.parametrize(
    "document",
    [
        "query ($no: Boolean = false) { position keys @include(if: $no) { id } }",
        "{ ...all } fragment all on Query { position ...more } fragment more on Query { k: keys { id } }",
        "{ ... on Query { ... { keys { id } } } }",
    ],
)
async def test_no_way_of_writing_it_gets_around_a_scope(caller: Any, document: str) -> None:
    """Fragments, aliases and what a variable leaves out are all looked at."""
    key = await _key(caller)
    assert (await _code(caller, document, **bearer(key)))[1] == "FORBIDDEN"
    for chosen in (
        {"query": "query a { position } query b { keys { id } }", "operationName": "b"},
        {"query": "{ keys { id } }", "operationName": ""},
        {"query": "{ keys { id } }", "operationName": None},
    ):
        answer = await caller.http.post("/graphql", json=chosen, headers=bearer(key))
        assert answer.json()["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "BAD_REQUEST"), chosen
        answer = await caller.http.get("/graphql", params=chosen, headers=bearer(key))
        assert "errors" in answer.json()


async def test_what_is_not_ones_own_is_a_curators_to_erase(caller: Any) -> None:
    """A member erases what is its own or its owners'; what it only sees it may retire."""
    member, curator = await _key(caller, owners=["ada"]), await _key(caller, role="CURATOR", principal="cora")
    erase = "mutation ($id: ID!) { e: eraseItem(input: {id: $id}) { __typename ... on Error { problems { code } } } }"

    async def erased(key: str, id_: str) -> Any:
        body = {"query": erase, "variables": {"id": id_}}
        return (await caller.http.post("/graphql", json=body, headers=bearer(key))).json()["data"]["e"]

    (shared,) = (await caller.do("remember", text="tea", domain="ORGANIZATION", owner="zoe"))["ids"]
    (own,) = (await caller.do("remember", text="tea", owner="ada"))["ids"]
    refusal = await erased(member, shared)
    assert (refusal["__typename"], refusal["problems"][0]["code"]) == ("Forbidden", "NOT_YOURS")
    assert (await erased(curator, own))["__typename"] == "NotFound"
    assert (await erased(member, own))["__typename"] == "EraseItemPayload"
    assert (await erased(curator, shared))["__typename"] == "EraseItemPayload"


async def test_an_administrator_of_one_tenant_is_no_ones_of_another(serving: Callable[..., Any]) -> None:
    """It makes and sees keys of its tenant alone."""
    async with serving() as caller:
        document = "mutation ($input: CreateKeyInput!) { k: createKey(input: $input) { ... on KeyPayload { secret } } }"
        root = {"name": "root", "principal": "root", "role": "ADMIN"}
        key = (await caller.ask(document, "team", input=root))["k"]["secret"]
        other = (await caller.ask(document, "other", input=root))["k"]["secret"]
        body = {"query": document, "variables": {"input": {"name": "new", "principal": "bot"}}}
        made = (await caller.http.post("/graphql", json=body, headers=bearer(key))).json()["data"]["k"]["secret"]
        listed = await caller.http.post("/graphql", json={"query": "{ keys { name tenant } }"}, headers=bearer(key))
        assert listed.json()["data"]["keys"] == [
            {"name": "new", "tenant": "team"}, {"name": "root", "tenant": "team"},
        ]  # fmt: skip
        body = {"query": 'mutation { r: revokeKey(input: {id: "%s"}) { __typename } }' % form.id_of(other)}  # noqa: UP031
        answer = await caller.http.post("/graphql", json=body, headers=bearer(key))
        assert answer.json()["data"]["r"]["__typename"] == "NotFound"
        assert form.id_of(made)
