"""Clients that vanish, and servers that do: a short round of what `tests.server.disconnects` and
`tests.server.kill_subscribers` do for long."""

from tests.server import disconnects, kill_subscribers


async def test_nothing_is_left_behind() -> None:
    """No task, no subscriber, no file: however a connection ended."""
    assert not await disconnects.run(200, 20)


async def test_nothing_is_lost_or_doubled_when_the_server_is_killed() -> None:
    """Whoever goes on behind a cursor is told of each record once, and has the rows of its query."""
    assert "once each" in await kill_subscribers.run(1)
