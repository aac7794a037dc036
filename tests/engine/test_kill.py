"""A few of the trials that `python -m tests.engine.kill` and its like make by the hundred."""

import pytest

from tests.engine import kill_consolidation
from tests.engine.kill import run


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_when_the_process_is_killed() -> None:
    total, problems = run(trials=5, seed=20, rounds=5, longest=1.5)
    assert not problems
    assert total > 0


@pytest.mark.timeout(600)
def test_consolidation_goes_on_where_it_was_killed() -> None:
    """The same memories in the end, once each."""
    kills, expected, problems = kill_consolidation.run(trials=5, seed=3, events=120, longest=3.0, most=2)
    assert not problems
    assert kills > 0
    assert expected["relations"]["SIMILAR_TO"] > 0
