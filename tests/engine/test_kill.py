"""A few of the trials that `python -m tests.engine.kill` makes by the hundred."""

import pytest

from tests.engine.kill import run


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_when_the_process_is_killed() -> None:
    total, problems = run(trials=5, seed=20, rounds=5, longest=1.5)
    assert not problems
    assert total > 0
