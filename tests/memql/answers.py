"""What a tenant answers to many random questions, as text: to be compared between graph engines, each of which needs a
process of its own, and before and after its stores were made anew.

python -m tests.memql.answers DIRECTORY SEED ENGINE     prints them as JSON
"""

import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from engine.commands import Principal
from engine.execute import scan
from engine.reader import Reader
from engine.tenant import GraphEngine, Tenant
from memql.errors import Refusal
from tests.memql.asking import compiled, from_engine
from tests.memql.questions import Writer
from tests.memql.worlds import EVERYBODY, opened

QUESTIONS = 60


def answers(tenant: Tenant, seed: int, by: Principal = EVERYBODY[-1], as_of: int | None = None) -> list[str]:
    """The questions of that seed, each with its answer."""
    chance = random.Random(seed)
    said: list[str] = []

    def ask(reader: Reader) -> None:
        for _ in range(QUESTIONS):
            question = Writer(chance).question()
            query = compiled(question.text, reader.catalog)
            if not isinstance(query, Refusal):
                answer = from_engine(reader, query, question)
                rows = sorted(map(repr, answer.items())) if isinstance(answer, dict) else repr(answer)
                said.append(f"{question.text}\n{rows}")

    tenant.read_now(ask, by, as_of=as_of)
    return said


@contextmanager
def always_asked() -> Iterator[None]:
    """The graph is asked however few items there are."""
    before, scan.WORTH_ASKING = scan.WORTH_ASKING, 0
    try:
        yield
    finally:
        scan.WORTH_ASKING = before


def main() -> None:
    directory, seed, engine = sys.argv[1:]
    with always_asked(), opened(Path(directory), cast(GraphEngine, engine)) as tenant:
        assert tenant.settled(60), tenant.statuses()
        print("ANSWERS " + json.dumps(answers(tenant, int(seed))))  # noqa: T201


if __name__ == "__main__":
    main()
