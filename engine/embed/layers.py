"""The layers of MiniLM as an ONNX graph, written from the header of the weights' safetensors file.

The graph names each weight as a stretch of that file, which ONNX Runtime maps into memory. So nothing is exported,
transposed or copied that could come to differ from what was published; the 28 KB of graph are made anew at each load,
in two milliseconds. ONNX is eight protobuf messages as far as they are needed here: writing them takes fewer lines than
its package takes megabytes (31).

Texts are token ids of equal length, for there is no attention mask: padding would count as words. What comes out is a
vector for each token, not for each text: ONNX Runtime sums those of a single text in another order than those of
several, so that a text's vector would depend, in its last bits, on the batch that it came in.
"""

import json
import struct
from pathlib import Path

WIDTH = 384
LAYERS, HEADS = 6, 12
IR, OPERATORS = 9, 20
"""Version of ONNX's file format, and of its set of operators: the first that has Gelu."""

FLOAT, INT64 = 1, 7


def graph(weights: Path) -> bytes:
    """The model, as ONNX Runtime takes it: `ids` (texts, tokens) to `tokens` (texts · tokens, WIDTH)."""
    return _Graph(weights).written()


class _Graph:
    def __init__(self, weights: Path) -> None:
        with weights.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            self._stretches = json.loads(file.read(size))
        self._location, self._start = weights.name, 8 + size
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []

    def written(self) -> bytes:
        """Every step is on rows of one token each, (texts · tokens, WIDTH), but for the attention between them."""
        at = self._integers("at", -1, WIDTH)
        heads = self._op("Concat", "by head", self._op("Shape", "shape", "ids"), self._integers("h", HEADS, -1), axis=0)
        rows = self._op("Reshape", "rows", self._embedded(), at)
        rows = self._normalized("embedded", rows, "embeddings.LayerNorm")
        scale = self._constant("scale", FLOAT, (), struct.pack("<f", (WIDTH / HEADS) ** -0.5))
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}."
            ends = {}
            for name, order in (("query", (0, 2, 1, 3)), ("key", (0, 2, 3, 1)), ("value", (0, 2, 1, 3))):
                linear = self._linear(rows, f"{layer}attention.self.{name}")
                split = self._op("Reshape", f"{layer}{name} split", linear, heads)
                ends[name] = self._op("Transpose", f"{layer}{name}", split, perm=order)
            fits = self._op("MatMul", f"{layer}fits", ends["query"], ends["key"])
            shares = self._op("Softmax", f"{layer}shares", self._op("Mul", f"{layer}scaled", fits, scale), axis=-1)
            heard = self._op("MatMul", f"{layer}heard", shares, ends["value"])
            heard = self._op("Transpose", f"{layer}joined", heard, perm=(0, 2, 1, 3))
            heard = self._linear(self._op("Reshape", f"{layer}flat", heard, at), f"{layer}attention.output.dense")
            rows = self._added(f"{layer}attended", heard, rows, f"{layer}attention.output.LayerNorm")
            wide = self._op("Gelu", f"{layer}wide", self._linear(rows, f"{layer}intermediate.dense"))
            rows = self._added(
                f"{layer}out", self._linear(wide, f"{layer}output.dense"), rows, f"{layer}output.LayerNorm"
            )
        self._op("Identity", "tokens", rows)
        inner = b"".join(_sub(1, node) for node in self._nodes)
        inner += _text(2, "minilm") + b"".join(_sub(5, constant) for constant in self._constants)
        inner += _sub(11, _shaped("ids", INT64, "texts", "count")) + _sub(12, _shaped("tokens", FLOAT, "rows", WIDTH))
        return _integer(1, IR) + _sub(7, inner) + _sub(8, _integer(2, OPERATORS))

    # Steps

    def _embedded(self) -> str:
        """Word, place and sentence: all tokens are of the first sentence."""
        zero, one = self._integers("zero", 0), self._integers("one", 1)
        words = self._op("Gather", "words", self._weight("embeddings.word_embeddings.weight"), "ids")
        count = self._op("Shape", "count", "ids", start=1, end=2)
        places = self._op("Slice", "places", self._weight("embeddings.position_embeddings.weight"), zero, count)
        first = self._op("Slice", "first", self._weight("embeddings.token_type_embeddings.weight"), zero, one)
        return self._op("Add", "sum", words, self._op("Add", "placed", places, first))

    def _linear(self, rows: str, name: str) -> str:
        return self._op("Gemm", name, rows, self._weight(f"{name}.weight"), self._weight(f"{name}.bias"), transB=1)

    def _added(self, name: str, rows: str, before: str, norm: str) -> str:
        return self._normalized(name, self._op("Add", f"{name} sum", rows, before), norm)

    def _normalized(self, name: str, rows: str, norm: str) -> str:
        scale, bias = self._weight(f"{norm}.weight"), self._weight(f"{norm}.bias")
        return self._op("LayerNormalization", name, rows, scale, bias, axis=-1, epsilon=1e-12)

    # Messages of ONNX. The numbers are those of its fields.

    def _op(self, kind: str, out: str, *inputs: str, **attributes: "int | float | tuple[int, ...]") -> str:
        node = b"".join(_text(1, name) for name in inputs) + _text(2, out) + _text(4, kind)
        self._nodes.append(node + b"".join(_sub(5, _attribute(name, value)) for name, value in attributes.items()))
        return out

    def _weight(self, name: str) -> str:
        """A stretch of the weights' file."""
        begin, end = self._stretches[name]["data_offsets"]
        where = {"location": self._location, "offset": str(self._start + begin), "length": str(end - begin)}
        entries = b"".join(_sub(13, _text(1, key) + _text(2, value)) for key, value in where.items())
        self._constants.append(_tensor(name, FLOAT, self._stretches[name]["shape"]) + entries + _integer(14, 1))
        return name

    def _integers(self, name: str, *values: int) -> str:
        return self._constant(name, INT64, (len(values),), struct.pack(f"<{len(values)}q", *values))

    def _constant(self, name: str, kind: int, shape: tuple[int, ...], raw: bytes) -> str:
        self._constants.append(_tensor(name, kind, shape) + _sub(9, raw))
        return name


def _tensor(name: str, kind: int, shape: "tuple[int, ...] | list[int]") -> bytes:
    return b"".join(_integer(1, length) for length in shape) + _integer(2, kind) + _text(8, name)


def _shaped(name: str, kind: int, *lengths: int | str) -> bytes:
    """A value that goes in or comes out; a length by name is known only when it runs."""
    shape = b"".join(_sub(1, _text(2, each) if isinstance(each, str) else _integer(1, each)) for each in lengths)
    return _text(1, name) + _sub(2, _sub(1, _integer(1, kind) + _sub(2, shape)))


def _attribute(name: str, value: "int | float | tuple[int, ...]") -> bytes:
    match value:
        case tuple():
            return _text(1, name) + b"".join(_integer(8, each) for each in value) + _integer(20, 7)
        case int():
            return _text(1, name) + _integer(3, value) + _integer(20, 2)
        case _:
            return _text(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _integer(20, 1)


# Protobuf


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number is its 64-bit complement."""
    number &= (1 << 64) - 1
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _sub(field: int, message: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(message)) + message


def _text(field: int, text: str) -> bytes:
    return _sub(field, text.encode())
