"""The compiling executor beside graphql-core's, on any number of random cases: the same data and the same errors.

python -m tests.server.executor_diff --cases 100000     what differs is printed with its seed and number, and
                                                        `--seed SEED --first NUMBER --cases 1` asks that one again

A case is an operation, asked twice of the same schema: as it is first met, and with other variables, or the same ones;
each time of values made anew, by both executors. Data, messages, paths and places are compared, and, where nothing was
awaited, the order of errors; of an answer in parts, each part.
"""

import argparse
import asyncio
import gc
import logging
import random
import re
import sys
import time
import warnings
from collections import Counter
from typing import Any, ClassVar

from graphql import DocumentNode, ExecutionResult, GraphQLError, experimental_execute_incrementally, parse, validate
from graphql.execution import ExperimentalIncrementalExecutionResults
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from server.api.executor import CompilingExecutor
from server.api.kept import Kept
from tests.server.executor_worlds import Asked, Maker, Values, World

CASES_OF_A_WORLD = 200
_ADDRESS = re.compile(r"0x[0-9a-f]+")


class Counting(CompilingExecutor):
    """Counts what graphql-core walks beneath the fields of the root, and what was compiled and run."""

    kept = Kept(64)
    counts: ClassVar[Counter[str]] = Counter()

    def execute_field(self, *args: Any, **kwargs: Any) -> Any:
        if args[3].prev is not None:
            self.counts["walked"] += 1
        return super().execute_field(*args, **kwargs)

    def _run(self, run: Any, value: Any) -> Any:
        shown = super()._run(run, value)
        if run is not None:
            self.counts["gave up" if shown is None else "ran"] += 1
        return shown


async def answer(world: World, document: DocumentNode, root: object, variables: dict[str, Any], how: Any) -> Any:
    try:
        result: Any = experimental_execute_incrementally(
            world.schema._schema, document, root_value=root, variable_values=variables,
            is_awaitable=optimized_is_awaitable, executor_class=how,  # type: ignore[arg-type]
        )  # fmt: skip
        if optimized_is_awaitable(result):
            result = await result
        if isinstance(result, ExperimentalIncrementalExecutionResults):
            parts: list[Any] = [result.initial_result, *[each async for each in result.subsequent_results]]
            return ExecutionResult({"parts": [each.formatted for each in parts]}, None)
        return result
    except GraphQLError as error:
        return ExecutionResult(None, [error])


def told(result: ExecutionResult, in_order: bool) -> tuple[str, list[str]]:
    """All of an answer that a client could see; `repr` tells 1 from 1.0 and True, and keeps the order of fields."""
    errors = [_ADDRESS.sub("", repr((each.message, each.path, each.locations))) for each in result.errors or ()]
    return _ADDRESS.sub("", repr(result.data)), errors if in_order else sorted(errors)


async def differs(world: World, asked: Asked, seed: str, tally: Counter[str]) -> str | None:
    """What is different, if something is."""
    document = parse(asked.text)
    dirty = random.Random(seed).choice((0.0, 0.0, 0.01, 0.05, 0.2))
    variables = asked.variables()
    for given in (variables, random.Random(seed).choice((variables, asked.variables()))):
        made = Values(world, random.Random(seed), dirty)
        root = made.root()
        before = +Counting.counts
        ours = await answer(world, document, root, given, Counting)
        again = Values(world, random.Random(seed), dirty)
        theirs = await answer(
            world, document, again.root() if made.once else root, given, StrawberryGraphQLCoreExecutionContext
        )
        made.close()
        again.close()
        in_order = not world.is_async
        found, expected = told(ours, in_order), told(theirs, in_order)
        if found != expected:
            return f"{asked.text}\n  variables {given}\n  ours   {found}\n  theirs {expected}\n{world.source}"
        met = Counting.counts - before
        tally["asked"] += 1
        tally["with errors"] += bool(expected[1])
        tally["in parts"] += expected[0].startswith("{'parts'")
        tally["whole"] += not met["walked"]
        tally["partly"] += bool(met["walked"] and met["ran"])
        tally["gave up"] += bool(met["gave up"])
    return None


async def cases(seed: int, first: int, number: int, tally: Counter[str], progress: bool = False) -> list[str]:
    """What is different in so many cases, each with how it is asked again."""
    wrong, began, world = [], time.monotonic(), None
    for n in range(first, first + number):
        if world is None or n % CASES_OF_A_WORLD == 0:
            world = Maker(random.Random(f"{seed}:{n // CASES_OF_A_WORLD}")).world()
        asked = Asked(world, random.Random(f"{seed}:{n}:asked"))
        if not n % 50:
            problems = validate(world.schema._schema, parse(asked.text))
            tally["valid of every fiftieth"] += all("never used" in each.message for each in problems)
        if different := await differs(world, asked, f"{seed}:{n}", tally):
            wrong.append(f"--seed {seed} --first {n} --cases 1\n{different}")
        if progress and (n + 1 - first) % 5_000 == 0:
            sys.stdout.write(f"{n + 1 - first:,} cases, {len(wrong)} different, {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    gc.set_threshold(100_000)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    tally: Counter[str] = Counter()
    wrong = asyncio.run(cases(options.seed, options.first, options.cases, tally, progress=True))
    sys.stdout.write("\n\n".join(wrong[:3]) + f"\n{options.cases:,} cases of seed {options.seed}: {dict(tally)}\n")
    sys.stdout.write(f"{Counting.counts['ran']:,} compiled runs, {len(wrong)} cases differ\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
