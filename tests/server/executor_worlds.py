"""Random schemas, values and operations: what an executor may meet, in all combinations. Each is made of a number.

A world is a module of Strawberry types, written as text. Values of it are clean or dirty: wrong types, null where none
may be, NaN, exceptions, tuples and generators for lists, things to await, objects of other classes. Operations have
fragments, conditions, aliases, arguments and the same field twice.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from types import ModuleType, SimpleNamespace
from typing import Any

import strawberry
from graphql import GraphQLError, Undefined
from strawberry.extensions import FieldExtension

LEAVES = ("str", "int", "float", "bool", "ID", "Loud", "Moment", "Place", "Any_", "Color", "Size", "datetime", "Picky")
HEAD = """
import datetime as dt
import enum
from datetime import datetime
from typing import Annotated, Any, Generic, NewType, TypeVar
import strawberry
from strawberry import Info, Private
from strawberry.scalars import ID, JSON as Any_
from server.api.reading import SHARED, of_object_alone, read_as
from server.api.selection import path_of, wanted
from tests.server.executor_worlds import Passing, made_anew

T = TypeVar("T")
Loud, Moment, Place, Picky = NewType("Loud", str), NewType("Moment", int), NewType("Place", int), NewType("Picky", str)

@strawberry.enum
class Color(enum.Enum):
    RED = "r"
    GREEN = strawberry.enum_value("g", name="VERT")

@strawberry.input
class Given:
    x: int = 1
    y: list[str] | None = None

@strawberry.enum
class Size(str, enum.Enum):
    S = "small"
    L = "large"
"""
TAIL = """
@strawberry.type
class Box(Generic[T]):
    content: T
    contents: list[T]
"""


class Odd:
    """Nothing that a schema knows; it looks the same wherever it is told."""

    def __repr__(self) -> str:
        return "odd"


class Later(Odd):
    """Something to await that is no coroutine."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, object]:
        yield from asyncio.sleep(0).__await__()
        return self.value


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Passing(FieldExtension):
    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        return next_(source, info, **kwargs)


def made_anew(value: Any) -> Any:
    """What a property makes of what its object holds: something else each time."""
    if value in (7, "b"):
        return None
    return list(value) if type(value) is list else value


_NEARLY: dict[str, tuple[Any, ...]] = {
    "str": (Text("t"), b"t", None),
    "int": (2**31, -(2**31) - 1, 2**31 - 1, 2.0, True, Number(3), float("nan")),
    "float": (float("nan"), float("inf"), float("-inf"), True, 2**70, 1),
    "bool": (0, 1, None),
    "ID": (7, 7.5, True, Text("i")),
    "Color": ("r", "RED", "b"),
    "Size": ("small", "S", Text("large")),
    "Picky": ("none", "undefined", "later", ValueError("p")),
    "Any_": (ValueError("a"), Undefined, float("nan"), Later(1), Odd()),
    "Moment": (-1, "t", None),
}
"""What is nearly a value of a leaf, or nearly none."""


def _loud(value: Any) -> str:
    loud: str = value.upper()
    return loud


def _picky(value: Any) -> Any:
    """Serialises some values to what may not be in an answer."""
    return {"none": None, "undefined": Undefined, "later": Later(1)}.get(value, value)


def _moment(value: Any) -> str:
    if value < 0:
        raise ValueError(f"before time: {value}")
    return f"t{value}"


SERIALIZE: dict[str, Callable[[Any], Any]] = {"Loud": _loud, "Moment": _moment, "Place": int, "Picky": _picky}


@dataclass
class Of:
    """The type of a field: a name, or a list of others."""

    name: str = ""
    each: "Of | None" = None
    nullable: bool = False

    def __str__(self) -> str:
        told = f"list[{self.each}]" if self.each else self.name
        return f"{told} | None" if self.nullable else told

    @property
    def innermost(self) -> str:
        return self.each.innermost if self.each else self.name


@dataclass
class Held:
    """A field of a type: `way` is how it gets its value, `given` its arguments."""

    name: str
    of: Of
    way: str = "plain"
    given: tuple[str, ...] = ()
    shared: bool = False


@dataclass
class World:
    """`types` has the fields of each, `shown` the object types that a value of a name may be of."""

    source: str
    schema: strawberry.Schema
    module: ModuleType
    types: dict[str, list[Held]]
    shown: dict[str, list[str]]
    interfaces: dict[str, list[str]]
    is_async: bool
    is_incremental: bool = False


_NUMBERS = count()


class Maker:
    """Makes one world."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.is_async = chance.random() < 0.4
        self.resolves = chance.random() < 0.6
        self.is_odd = chance.random() < 0.3
        # What is awaited comes when it comes; the rest comes later in one order alone.
        self.is_incremental = not self.is_async and chance.random() < 0.25
        self.types: dict[str, list[Held]] = {}
        self.shown: dict[str, list[str]] = {}
        self.interfaces: dict[str, list[str]] = {}

    def world(self) -> World:
        chance = self.chance
        objects = [f"T{n}" for n in range(chance.randint(2, 5))]
        ifaces = [f"I{n}" for n in range(chance.randint(0, 2))]
        unions = [f"U{n}" for n in range(chance.randint(0, 2))]
        for name in ifaces:
            self.types[name], self.shown[name] = self._fields(name, objects, ifaces, unions, 3), []
        for name in objects:
            self.interfaces[name] = [each for each in ifaces if chance.random() < 0.5]
            inherited = [held for each in self.interfaces[name] for held in self.types[each]]
            self.types[name] = inherited + self._fields(name, objects, ifaces, unions, 5)
            self.shown[name] = [name]
            for each in self.interfaces[name]:
                self.shown[each].append(name)
        for name in [each for each in ifaces if not self.shown[each]]:
            self.interfaces[objects[0]].append(name)
            self.types[objects[0]] = self.types[objects[0]] + self.types[name]
            self.shown[name].append(objects[0])
        text = [HEAD]
        for name in unions:
            self.shown[name], self.types[name] = chance.sample(objects, chance.randint(1, len(objects))), []
        for name in ifaces:
            text += [f"@strawberry.interface\nclass {name}:", *self._body(self.types[name])]
        for name in objects:
            own = [held for held in self.types[name] if held.name.startswith(name.lower())]
            bases = f"({', '.join(self.interfaces[name])})" if self.interfaces[name] else ""
            text += [f"@strawberry.type\nclass {name}{bases}:", *self._body(own)]
            if self.is_odd and chance.random() < 0.4:
                text += self._oddity(name, own)
        text.append(TAIL)
        for name in unions:
            text.append(f"{name} = Annotated[{' | '.join(self.shown[name])}, strawberry.union({name!r})]")
        boxed = chance.choice(objects)
        self.types["Box"] = [Held("content", Of(boxed)), Held("contents", Of(each=Of(boxed)))]
        self.shown["Box"] = ["Box"]
        roots = [Held("box", Of(f"Box[{boxed}]", nullable=chance.random() < 0.5))]
        for n in range(5):
            way = chance.choice(("later", "fetched", "plain", "plain")) if self.is_async else "plain"
            given = ("a", "b", "c") if way == "fetched" else ()
            roots.append(Held(f"q{n}", self._of(objects + ifaces + unions, 0.9), way, given))
        self.types["Query"] = roots
        text += ["@strawberry.type\nclass Query:", *self._body(roots)]
        return self._built("\n".join(text))

    def _built(self, source: str) -> World:
        module = ModuleType(f"executor_world_{next(_NUMBERS)}")
        sys.modules[module.__name__] = module
        exec(source, module.__dict__)  # noqa: S102  # written above
        scalars = {
            getattr(module, name): strawberry.scalar(name=name, serialize=serialize)
            for name, serialize in SERIALIZE.items()
        }
        known: list[Any] = [getattr(module, name) for name in self.interfaces]
        config = strawberry.schema.config.StrawberryConfig(
            scalar_map=scalars, enable_experimental_incremental_execution=self.is_incremental
        )
        schema = strawberry.Schema(module.Query, types=known, config=config)
        del sys.modules[module.__name__]
        return World(
            source, schema, module, self.types, self.shown, self.interfaces, self.is_async, self.is_incremental
        )

    def _oddity(self, name: str, own: list[Held]) -> list[str]:
        """What makes the objects of a class something else than they seem."""
        plain = [held.name for held in own if held.way == "plain"]
        match self.chance.choice(("type", "attribute", "property", "property")):
            case "type":
                return ["    @classmethod\n    def is_type_of(cls, given, info) -> bool: return isinstance(given, cls)"]
            case "attribute":
                return [
                    "    def __getattr__(self, name): return 1 if name == 'z' else object.__getattribute__(self, name)"
                ]
            case "property" if plain:
                at = repr(self.chance.choice(plain))
                return [
                    f"setattr({name}, {at}, property("
                    f"lambda self: made_anew(vars(self)[{at}]), "
                    f"lambda self, value: vars(self).__setitem__({at}, value)))"
                ]
        return []

    def _fields(self, of: str, objects: list[str], ifaces: list[str], unions: list[str], most: int) -> list[Held]:
        chance, fields = self.chance, []
        ways = ["plain"] * 12
        if self.resolves:
            ways += ["resolved", "told", "where", "extended", "asked"] + (["later"] if self.is_async else [])
        for n in range(chance.randint(2, most)):
            name, way = f"{of.lower()}_{n}", chance.choice(ways)
            deep = self._of(objects + ifaces + unions, 0.35)
            if way in ("asked", "where"):
                fields.append(Held(name, Of("str", nullable=True), way, ("a", "b") if way == "asked" else ("a",)))
            else:
                fields.append(Held(name, deep, way, shared=chance.random() < 0.3))
        return fields

    def _of(self, names: list[str], deep: float) -> Of:
        chance = self.chance
        composite = chance.random() < deep
        of = Of(chance.choice(names if composite else LEAVES), nullable=composite or chance.random() < 0.4)
        while chance.random() < (0.45 if composite else 0.15):
            of = Of(each=of, nullable=chance.random() < 0.5)
            of.each.nullable = chance.random() < 0.5  # type: ignore[union-attr]
        return of

    def _body(self, fields: list[Held]) -> Iterator[str]:
        for held in fields:
            name, of = held.name, f'"{held.of}"'
            hidden = f"    h_{name}: Private[Any]"
            match held.way:
                case "plain":
                    common = " = strawberry.field(metadata=SHARED)" if held.shared else ""
                    yield f"    {name}: {of}{common}"
                case "resolved":
                    yield f"{hidden}\n    @strawberry.field\n    def {name}(self) -> {of}: return self.h_{name}"
                case "later":
                    yield f"{hidden}\n    @strawberry.field\n    async def {name}(self) -> {of}: return self.h_{name}"
                case "fetched":
                    yield (
                        f"    @strawberry.field\n"
                        f"    async def {name}(info: Info, a: int = 1, b: str = 'x', c: Given | None = None) -> {of}:\n"
                        f"        if a == 3: raise ValueError(f'{{b}}{{c}}{{wanted(info._raw_info)}}')\n"
                        f"        return info.root_value.h_{name}"
                    )
                case "extended":
                    yield f"    {name}: {of} = strawberry.field(extensions=[Passing()])"
                case "told":
                    yield (
                        f"{hidden}\n    @strawberry.field\n    @of_object_alone\n"
                        f"    def {name}(self) -> {of}: return self.h_{name}"
                    )
                case "where":
                    yield (
                        f"{hidden}\n    @strawberry.field\n"
                        f"    @read_as(lambda path, name: lambda root: repr((path, name, root.h_{name})))\n"
                        f"    def {name}(self, info: Info, a: int = 20) -> {of}:\n"
                        f"        return repr((path_of(info.path), info.field_name, self.h_{name}))"
                    )
                case "asked":
                    yield (
                        f"    @strawberry.field\n    def {name}(self, a: int, b: str = 'x') -> {of}:\n"
                        "        return None if a == 3 else f'{a}{b}'"
                    )
        yield "    pass"


@dataclass
class Values:
    """Makes the values of a world, the same ones for the same chance. `once`: one of them can be read but once."""

    world: World
    chance: random.Random
    dirty: float
    once: bool = field(default=False)
    _begun: list[Coroutine[Any, Any, object]] = field(default_factory=list)
    _met: dict[str, Any] = field(default_factory=dict)

    def close(self) -> None:
        """Ends what nobody awaited."""
        for each in self._begun:
            each.close()

    def root(self) -> SimpleNamespace:
        held = {
            f"h_{each.name}" if each.way in ("later", "fetched") else each.name: each
            for each in self.world.types["Query"]
        }
        return SimpleNamespace(**{name: self.value(each.of, 3) for name, each in held.items()})

    def value(self, of: Of, depth: int) -> Any:
        chance = self.chance
        if chance.random() < self.dirty:
            return self._dirt(of, depth)
        if of.nullable and chance.random() < 0.15:
            return None
        if of.each:
            empty = depth <= 0 and of.innermost in self.world.shown
            return [self.value(of.each, depth - 1) for _ in range(0 if empty else chance.randint(0, 3))]
        if of.name.startswith("Box"):
            return self.object("Box", depth)
        if of.name in self.world.shown:
            if depth < -3 or (depth <= 0 and of.nullable):
                return None
            return self.object(chance.choice(self.world.shown[of.name]), depth - 1)
        if self.dirty and chance.random() < 0.01:
            leaf = self._leaf(of.name)
            return chance.choice((ValueError(leaf), Later(leaf) if self.world.is_async else leaf))
        return self._leaf(of.name)

    def object(self, name: str, depth: int) -> Any:
        if name in self._met and self.chance.random() < 0.2:
            return self._met[name]
        given = {}
        for held in self.world.types[name]:
            if held.way in ("plain", "extended"):
                given[held.name] = self.value(held.of, depth)
            elif held.way == "where":
                given[f"h_{held.name}"] = self.chance.randint(0, 9)
            elif held.way != "asked":
                given[f"h_{held.name}"] = self.value(held.of, depth)
        made = getattr(self.world.module, name)(**given)
        if self.chance.random() < self.dirty / 4:
            strawberry.cast(getattr(self.world.module, self.chance.choice(list(self.world.interfaces))), made)
        self._met[name] = made
        return made

    def _leaf(self, name: str) -> Any:
        chance, module = self.chance, self.world.module
        match name:
            case "int" | "Place" | "Moment":
                return chance.choice((*range(10), 2**30, 2**31 - 1))
            case "float":
                return chance.choice((0.5, -1e300, 0.0, 3))
            case "bool":
                return chance.random() < 0.5
            case "Color" | "Size":
                members: list[Enum] = list(getattr(module, name))
                return chance.choice(members)
            case "Any_":
                return chance.choice(({"a": [1, None]}, "x", 7, [1.5], True))
            case "datetime":
                return module.dt.datetime(2026, 1, chance.randint(1, 28))
        return chance.choice(("a", "", "é\u2028'\"\\", "none" if self.dirty and name == "Picky" else "b"))

    def _dirt(self, of: Of, depth: int) -> Any:
        chance = self.chance
        clean = Values(self.world, chance, 0)
        kind = chance.randrange(24)
        if kind > 19 and of.name in _NEARLY:
            return chance.choice(_NEARLY[of.name])
        if kind < 12:
            wrong: tuple[Any, ...] = (
                None, None, Undefined, float("nan"), float("inf"), 2**40, -1, True, "r", "small", "none", "undefined",
                "later", b"x", Odd(), Odd, ValueError("v"), GraphQLError("g"), KeyError("k"), Text("t"), Number(3), 3.0,
                1.5, {}, {"a": 1}, [], [None], [Odd()], (), self.world.module.Color.RED, self.world.module.Size.L,
                self.world.module.Color, lambda: 1,
            )  # fmt: skip
            return chance.choice(wrong)
        value = clean.value(of, min(depth, 1))
        match kind:
            case 12 | 13 if isinstance(value, list):
                self.once = True
                return (each for each in value)
            case 14 | 15 if isinstance(value, list):
                return tuple(value)
            case 16:
                return SimpleNamespace(**vars(value)) if hasattr(value, "__dict__") else {"x": value}
            case 17 | 20 if self.world.is_async:
                self.once = True
                self._begun.append(_later(value))
                return self._begun[-1]
            case 18 | 21 if self.world.is_async:
                return Later(value)
            case 19 if type(value).__name__ in self.world.interfaces:
                heir = type("Heir", (type(value),), {})
                value.__class__ = heir
                return value
        return self.object(chance.choice(list(self.world.interfaces)), min(depth, 0))


async def _later(value: object) -> object:
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


class Asked:
    """One operation of a world, as text, and ways to choose its variables."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        # A union that no field has is not in the schema.
        known = ("Box", *world.schema._schema.type_map)
        self._types = [name for name in world.types if name in known and name != "Query"]
        self._fragments: list[tuple[str, str]] = []
        self._parts: list[str] = []
        for n in range(chance.randint(0, 3)):
            on = chance.choice([name for name in self._types if name != "Box"])
            body = self._selection(on, 2)
            self._fragments.append((f"F{n}", on))
            self._parts.append(f"fragment F{n} on {on} {body}")
        self.text = (
            'query ($t: Boolean = true, $u: Boolean!, $w: Boolean!, $i: Int, $s: String = "s") '
            + self._selection("Query", 4)
            + "\n"
            + "\n".join(self._parts)
        )

    def variables(self) -> dict[str, Any]:
        chance = self.chance
        given: dict[str, Any] = {"u": chance.random() < 0.5, "w": chance.random() < 0.5}
        if chance.random() < 0.5:
            given["t"] = chance.choice((True, False, None) if chance.random() < 0.2 else (True, False))
        if chance.random() < 0.7:
            given["i"] = chance.choice((1, 2, 3, None))
        return given

    def _selection(self, of: str, depth: int) -> str:
        chance, fields = self.chance, self.world.types[of]
        parts = []
        for _ in range(chance.randint(1, 4)):
            kind = chance.random()
            if kind < 0.08 or not fields:
                parts.append(f"{chance.choice(('', 'kind: '))}__typename{self._condition()}")
            elif kind < 0.85 or of == "Query":
                parts.append(self._field(chance.choice(fields), depth))
        if of != "Query" and depth > 0:
            for _ in range(chance.choice((0, 0, 0, 1, 2)) if fields else chance.randint(1, 3)):
                parts.append(self._fragment(of, depth))
        parts = parts or ["__typename"]
        if chance.random() < 0.15:
            parts.append(chance.choice(parts))
        return "{ " + " ".join(parts) + " }"

    def _field(self, held: Held, depth: int) -> str:
        chance, of = self.chance, held.of.innermost
        name = held.name.replace("_", "")
        name = held.name.split("_")[0] + held.name.split("_")[1].capitalize() if "_" in held.name else name
        alias = chance.choice(("", "", "", f"a{name}: ", f"__b{name}: ", "same: " if chance.random() < 0.5 else ""))
        inner = ""
        if of in self.world.types or of.startswith("Box"):
            if depth <= 0:
                return f"{alias}__typename" if not alias else f"z{alias}__typename"
            inner = " " + self._selection("Box" if of.startswith("Box") else of, depth - 1)
        given = ""
        if held.given == ("a", "b"):
            given = chance.choice(("(a: 1)", '(a: 2, b: "y")', "(a: 3, b: $s)", '(a: 4, b: "\\"\'{x}\\n")', "(a: $i)"))
        elif held.given and chance.random() < 0.6:
            given = chance.choice(("(a: 5)", "(a: $i)"))
            if held.way == "fetched":
                more = ("(b: $s)", "(a: 3, b: $s)", "(c: {x: 2})", "(a: 3, c: {y: [$s]})", "(c: null, a: $i)", "(a: 3)")
                given = chance.choice((given, *more))
        if held.given and chance.random() < 0.03:
            given = chance.choice(('(a: "1")', "(a: {})", "(a: 2147483648)", "(b: 1, a: 1)", "(a: null)", "(z: 1)", ""))
        stream = ""
        if held.of.each and self.world.is_incremental and chance.random() < 0.15:
            stream = f" @stream(initialCount: {chance.randint(0, 2)}{chance.choice(('', ', if: $u'))})"
        return f"{alias}{name}{given}{self._condition()}{stream}{inner}"

    def _fragment(self, of: str, depth: int) -> str:
        chance = self.chance
        near = [name for name in self._types if set(self.world.shown[name]) & set(self.world.shown[of])]
        named = [name for name, on in self._fragments if on in near]
        if named and chance.random() < 0.5:
            return f"...{chance.choice(named)}{self._condition()}"
        on = chance.choice([*near, ""])
        if on == "Box" or (not on and not self.world.types[of]):
            on = of
        later = ""
        if self.world.is_incremental and chance.random() < 0.2:
            later = chance.choice((" @defer", " @defer(if: $u)", ' @defer(label: "l")'))
        if on == of == "Box" or not on:
            return f"...{self._condition()}{later} {self._selection(of, depth - 1)}"
        return f"... on {on}{self._condition()}{later} {self._selection(on, depth - 1)}"

    def _condition(self) -> str:
        chance = self.chance
        if chance.random() > 0.15:
            return ""
        value = chance.choice(("true", "false", "$t", "$u", "$w"))
        return f" @{chance.choice(('skip', 'include'))}(if: {value})"
