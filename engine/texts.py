"""Texts: which versions say these words. The only file that knows Tantivy.

Each version with searchable text is one document: its kind's text property and, because people look for things by
them, its `aliases` and `tags`. A document is written once. Only erasure removes one, and then the index is written
anew from what it keeps, for Tantivy leaves deleted documents in its files and in its statistics until it happens to
merge them. So BM25 depends on the journal alone, never on when commits, merges or erasures came.

What people type never meets Tantivy's query language, which can name any field: it is cut into words as documents
are, and any word may match.
"""

import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray
from tantivy import (
    DocAddress,
    Document,
    FieldType,
    Filter,
    Index,
    IndexWriter,
    Occur,
    Query,
    SchemaBuilder,
    Searcher,
    TextAnalyzer,
    TextAnalyzerBuilder,
    Tokenizer,
)

from engine.events import Event, ItemErased, ItemRecorded, KindDeclared, declared
from engine.limits import Limits
from engine.projection import Unapplied
from engine.records import Record
from engine.seal import Seal
from memql.catalog import KINDS, Catalog, Kind

Dense: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Hits: TypeAlias = tuple[Dense, Scores]
"""Dense ids and their BM25 scores, the highest first and equal ones by dense id."""

FORM = "tantivy 0.27, 4"
HEAP = 15_000_000
"""Bytes that a writer gathers in; Tantivy takes no less."""
GATHERED_CHARACTERS = 16_000_000
"""Text that is committed at once: a thousand of the longest documents would be six times as much."""
WORD_BYTES = 64
"""Longer words are nobody's: encoded data, not language."""
QUERY_WORDS = 64
"""Words of a query that count, the rarest: what a pasted page needs to find its like, and a bound on its cost."""
FEW = 1_000
"""So few qualifying documents are named in the query, at 4 ms; more are sought among the best of all."""
PAGE = 20_000
"""Dense ids read at once when all documents are read."""

FUNCTION_WORDS = (
    "a about after also am an and any are as at be been before being but by can could d did do does doing don during "
    "each few for from further had has have having he her here hers him his how i if in into is it its itself just ll "
    "m may me might more most my of off on once only or other our out over own re s same shall she should so some such "
    "t than that the their them then there these they this those through to too under until up us ve was we were what "
    "when where which while who whom whose why will with would you your yours"
).split()
"""Left out of queries, not of documents: nearly all documents have them, so they cost the most and say the least."""

# One field for all kinds: Tantivy divides a field's words by all documents, also those without it, so that a field of
# memories alone had the wrong mean length, and found 2 % less.
_schema = (
    SchemaBuilder()
    .add_integer_field("dense", indexed=True, fast=True)
    .add_integer_field("root", fast=True)
    .add_text_field("text", stored=True, tokenizer_name="words", index_option="freq")
    .build()
)


def _analyzer(*left_out: str) -> TextAnalyzer:
    """Words in lower case, without accents, cut to their English stem."""
    words = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(WORD_BYTES)).filter(Filter.lowercase())
    if left_out:
        words = words.filter(Filter.custom_stopword(list(left_out)))
    return words.filter(Filter.ascii_fold()).filter(Filter.stemmer("english")).build()


_words, _content_words = _analyzer(), _analyzer(*FUNCTION_WORDS)


def words_of(text: str) -> list[str]:
    """The words of a text as it is indexed."""
    return _words.analyze(text if text.isascii() else unicodedata.normalize("NFC", text))


def query_words(text: str) -> Counter[str]:
    """The words that a query asks for, and how often: without function words, unless it has no others."""
    composed = unicodedata.normalize("NFC", text)
    return Counter(_content_words.analyze(composed) or _words.analyze(composed))


def searchable(catalog: Catalog, item: ItemRecorded) -> str:
    """The text by which the item is found; composed, or a letter and its accent would be two words."""
    properties = item.properties
    text = catalog.text_of(item.kind, properties)
    if "tags" in properties or "aliases" in properties:
        for name in ("aliases", "tags"):
            listed = properties.get(name)
            more = [part for part in listed if isinstance(part, str)] if isinstance(listed, list) else []
            text = "\n".join(filter(None, (text, *more)))
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@contextmanager
def _our_words(doing: str) -> Iterator[None]:
    """What Tantivy cannot do is said in our words; its own stay in the cause, for whoever reads the log."""
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        raise Unapplied(f"the text index could not be {doing}") from error


class Texts:
    """The text index of one tenant: `text/` in the tenant's folder, sealed by `text.seal`."""

    name = "texts"

    def __init__(self, folder: Path, *, tenant: str, limits: Limits) -> None:
        self._folder = folder / "text"
        self._kinds = self._folder / "kinds.json"
        self._limits = limits
        self._seal = Seal(
            folder / "text.seal",
            tenant=tenant,
            form=FORM,
            base=folder,
            pattern="text/*",
            rewritten=("meta.json", ".managed.json", self._kinds.name),
        )
        self._forget()
        restored = self._seal.restore()
        if restored is None:
            self.clear()
            return
        try:
            with _our_words("opened"):
                self._open()
            self._position = self._taken = restored
        except Unapplied:
            # As sealed, and yet not to be read: rebuilt from the journal like any damaged store.
            self.clear()

    def _forget(self) -> None:
        self._index: Index | None = None
        self._searcher: Searcher | None = None
        self._catalog = Catalog()
        self._position = 0
        self._taken = 0
        self._whole = True
        self._gathered: list[tuple[int, int, str]] = []
        self._characters = 0
        self._erased: set[int] = set()

    def _open(self) -> None:
        """Opens the index that is there. Declared kinds lie beside it: where the text of an item is was said by the
        catalog of its time."""
        if self._kinds.exists():
            for name, text in orjson.loads(self._kinds.read_bytes()).items():
                self._catalog = self._catalog.with_kind(Kind(name, "", None, text, {}))
        if (self._folder / "meta.json").exists():
            self._show(self._attach())

    def _attach(self) -> Index:
        """The index, made where there is none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        index = Index(_schema, path=str(self._folder))
        index.register_tokenizer("words", _words)
        # Otherwise a thread a tenant would watch the folder for commits that we make ourselves.
        index.config_reader("manual")
        return index

    def _show(self, index: Index) -> None:
        index.reload()
        self._index, self._searcher = index, index.searcher()

    @property
    def position(self) -> int:
        return self._position

    def load(self) -> None:
        """Opening puts nothing off."""

    def apply(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.position <= self._taken:
                continue
            for event in record.events:
                self._gather(event)
            # Only between records: a seal in the midst of one would make the rest of it come twice.
            self._taken = record.position
            if len(self._gathered) >= self._limits.text_commit_documents or self._characters >= GATHERED_CHARACTERS:
                self._commit()
        if not self._gathered and not self._erased:
            self._position = self._taken

    def _gather(self, event: Event) -> None:
        if isinstance(event, ItemRecorded):
            if text := searchable(self._catalog, event):
                self._gathered.append((event.dense, event.root, text))
                self._characters += len(text)
        elif isinstance(event, ItemErased):
            self._gathered = [document for document in self._gathered if document[1] != event.root]
            self._erased.add(event.root)
        elif isinstance(event, KindDeclared):
            self._catalog = declared(self._catalog, event)

    def settle(self) -> None:
        if self._gathered or self._erased:
            self._commit()
        self._position = self._taken

    def _commit(self) -> None:
        """Writes what was gathered, shows it, and seals it at once: Tantivy merges segments after a commit and removes
        sealed files, so that a crash before the next seal would cost a rebuild. Then the writer is let go of: the next
        one is made in 0.3 ms, while those of fifty idle tenants would hold 112 MB and 300 threads."""
        self._whole = False
        with _our_words("written"):
            index = self._index or self._attach()
            writer = index.writer(HEAP, 1)
            if self._searcher and self._holds(self._searcher, self._erased):
                self._write_anew(writer, self._searcher)
            for document in self._gathered:
                _add(writer, *document)
            writer.commit()
            writer.garbage_collect_files()
            writer.wait_merging_threads()
            self._show(index)
        self._gathered, self._characters, self._erased = [], 0, set()
        self._position = self._taken
        self._whole = True
        self._write_seal()

    def _holds(self, searcher: Searcher, roots: set[int]) -> bool:
        return any(not roots.isdisjoint(page) for _, page, _ in _pages(searcher)) if roots else False

    def _write_anew(self, writer: IndexWriter, searcher: Searcher) -> None:
        """Every document but the erased ones, from the files of the last commit: 0.4 s for 100,000 short ones."""
        writer.delete_all_documents()
        for dense, root, text in _documents(searcher):
            if root not in self._erased:
                _add(writer, dense, root, text)

    def seal(self) -> None:
        self.settle()
        self._write_seal()

    def _write_seal(self) -> None:
        built_in = {kind.name for kind in KINDS}
        kinds = {kind.name: kind.text for kind in self._catalog.kinds.values() if kind.name not in built_in}
        with _our_words("sealed"):
            if kinds:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._kinds.write_bytes(orjson.dumps(kinds))
            self._seal.write(self._position)

    def clear(self) -> None:
        self._forget()
        self._seal.remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        # A commit that broke off keeps the last seal: opening returns to that.
        if self._whole:
            self.seal()
        self._index = self._searcher = None

    # Reads

    def search(self, text: str, *, keep: Mask | None, limit: int) -> Hits:
        """The `limit` documents that fit the words of the text best, among those that `keep` is true for, by dense id;
        all where it is None. As many as qualify, and none for a text without words."""
        searcher = self._searcher
        query = searcher and _query(searcher, text)
        if not searcher or not query or limit < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        asked = limit + 1
        if keep is not None:
            qualifying = np.flatnonzero(keep)
            if len(qualifying) <= FEW:
                return _ranked(*_among(searcher, query, qualifying), limit)
            # A little more than their share, for asking again costs more than reading a few for nothing.
            asked = limit * len(keep) * 5 // (4 * len(qualifying)) + 16
        while True:
            dense, scores = _found(searcher, query, asked)
            last = scores[-1] if len(scores) else 0
            exhausted = len(dense) < asked
            if keep is not None:
                known = np.flatnonzero(dense < len(keep))
                kept = known[keep[dense[known]]]
                dense, scores = dense[kept], scores[kept]
            # What follows may tie with the last that was found, and come before it by its dense id.
            if exhausted or (len(dense) >= limit and scores[limit - 1] > last):
                return _ranked(dense, scores, limit)
            asked *= 4

    def scores(self, text: str, denses: Dense) -> Scores:
        """How well each of those documents fits the words of the text, in their order; 0 for what does not match."""
        scores = np.zeros(len(denses), np.float32)
        searcher = self._searcher
        query = searcher and _query(searcher, text)
        if searcher and query and len(denses):
            matching, theirs = _among(searcher, query, np.unique(denses))
            order = np.argsort(matching)
            known = np.isin(denses, matching)
            scores[known] = theirs[order][np.searchsorted(matching[order], denses[known])]
        return scores

    def dump(self) -> list[tuple[int, int, str]]:
        """Dense id, root and text of every document, in order: what a store and its rebuilt twin agree in."""
        return list(_documents(self._searcher)) if self._searcher else []


def _add(writer: IndexWriter, dense: int, root: int, text: str) -> None:
    document = Document()
    document.add_integer("dense", dense)
    document.add_integer("root", root)
    document.add_text("text", text)
    writer.add_document(document)


def _query(searcher: Searcher, text: str) -> Query | None:
    """Any of the text's words; without function words, unless it has no others. None where no document has any."""
    counted = query_words(text)
    known = [(searcher.doc_freq("text", word), word) for word in counted]
    words = sorted(pair for pair in known if pair[0])[:QUERY_WORDS]
    branches = [Query.boost_query(Query.term_query(_schema, "text", word, "freq"), counted[word]) for _, word in words]
    # A balanced tree of pairs, for the sum of a pair does not depend on its order: in one long union Tantivy adds in an
    # order that depends on the segment, and the last bit of a score would with it.
    while len(branches) > 1:
        pairs = zip(branches[::2], [*branches[1::2], None], strict=False)
        branches = [Query.boolean_query([(Occur.Should, a), (Occur.Should, b)]) if b else a for a, b in pairs]
    return branches[0] if branches else None


def _found(searcher: Searcher, query: Query, limit: int) -> Hits:
    hits = searcher.search(query, limit, count=False).hits
    dense = searcher.fast_field_values("dense", [address for _, address in hits])
    return np.array(dense, np.int64), np.array([score for score, _ in hits], np.float32)


def _among(searcher: Searcher, query: Query, denses: NDArray[np.integer]) -> Hits:
    """Those of the documents that match."""
    if not len(denses):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    named = Query.const_score_query(Query.term_set_query(_schema, "dense", denses.tolist()), 0.0)
    return _found(searcher, Query.boolean_query([(Occur.Must, named), (Occur.Must, query)]), len(denses))


def _ranked(dense: Dense, scores: Scores, limit: int) -> Hits:
    order = np.lexsort((dense, -scores))[:limit]
    return dense[order], scores[order]


def _pages(searcher: Searcher) -> Iterator[tuple[list[int], list[int], list[DocAddress]]]:
    """Dense ids, roots and addresses of all documents, some thousands at a time, in the order of their dense ids."""
    last = searcher.search(Query.all_query(), 1, count=False, order_by_field="dense").hits
    for start in range(0, last[0][0] + 1 if last else 0, PAGE):
        within = Query.range_query(_schema, "dense", FieldType.Integer, start, start + PAGE, include_upper=False)
        found = [address for _, address in searcher.search(within, PAGE, count=False).hits]
        ids = np.array([searcher.fast_field_values(name, found) for name in ("dense", "root")], np.int64)
        order = np.argsort(ids[0])
        yield ids[0][order].tolist(), ids[1][order].tolist(), [found[n] for n in order]


def _documents(searcher: Searcher) -> Iterator[tuple[int, int, str]]:
    for denses, roots, addresses in _pages(searcher):
        for dense, root, address in zip(denses, roots, addresses, strict=True):
            yield dense, root, searcher.doc(address)["text"][0]
