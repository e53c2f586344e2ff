"""BM25 over tantivy, on disk; it also keeps the passages themselves."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from retrieval.text import terms
from retrieval.types import Claim, IndexMissing, Passage, Source, Span

NAMES_BOOST = 2.0  # a word of the topic's own names says more than the same word in passing


class LexicalIndex:
    """Passages by their words. Text goes in and is asked for as terms, so nothing a user types is query syntax."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "meta.json").is_file():
            raise IndexMissing(f"no word index in {str(folder)!r}: run `doctor serve` or `make index`")
        self._index = _open(folder)
        self._index.reload()

    @classmethod
    def opened(cls, folder: Path) -> "LexicalIndex":
        """The index in `folder`, a new empty one when there is none."""
        if not (folder / "meta.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _open(folder)
        return cls(folder)

    def update(self, passages: Sequence[Passage], gone: Sequence[str] = ()) -> None:
        """Adds passages, in place of those of the same id, and takes out the ids in `gone`; all or nothing."""
        writer = self._index.writer(heap_size=64_000_000, num_threads=1)
        for passage_id in {*gone, *(p.id for p in passages)}:
            writer.delete_documents_by_term("id", passage_id)
        for passage in passages:
            writer.add_document(_document(passage, ()))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def of_topic(self, topic: str) -> list[str]:
        """The ids of a topic's passages."""
        import tantivy

        query = tantivy.Query.regex_query(self._index.schema, "id", f"{re.escape(topic)}/.*")
        searcher = self._index.searcher()
        return [searcher.doc(address)["id"][0] for _, address in searcher.search(query, 100_000).hits]

    @classmethod
    def build(cls, folder: Path, passages: Iterable[Passage], names: Mapping[str, Sequence[str]]) -> "LexicalIndex":
        """Writes a new index. `names` has, for each topic, what people call it in both languages."""
        folder.mkdir(parents=True, exist_ok=True)
        writer = _open(folder).writer(heap_size=64_000_000, num_threads=1)
        for passage in passages:
            writer.add_document(_document(passage, names.get(passage.topic, ())))
        writer.commit()
        writer.wait_merging_threads()
        return cls(folder)

    def query(self, question: str, k: int) -> list[tuple[str, float]]:
        """The k best ids with their BM25 score, best first."""
        import tantivy

        words = list(dict.fromkeys(terms(question)))[:64]
        if not words:
            return []
        schema, query, should = self._index.schema, tantivy.Query, tantivy.Occur.Should
        parts = [(should, query.term_query(schema, "text", word)) for word in words]
        parts += [(should, query.boost_query(query.term_query(schema, "names", w), NAMES_BOOST)) for w in words]
        searcher = self._index.searcher()
        hits = searcher.search(query.boolean_query(parts), k).hits
        return [(searcher.doc(address)["id"][0], float(score)) for score, address in hits]

    def get(self, ids: Sequence[str]) -> list[Passage]:
        """The passages under these ids, in this order. An unknown id raises KeyError."""
        import tantivy

        searcher = self._index.searcher()
        out = []
        for passage_id in ids:
            hits = searcher.search(tantivy.Query.term_query(self._index.schema, "id", passage_id), 1).hits
            if not hits:
                raise KeyError(passage_id)
            out.append(_load(searcher.doc(hits[0][1])["passage"][0]))
        return out

    def __len__(self) -> int:
        return int(self._index.searcher().num_docs)


def _open(folder: Path) -> Any:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_text_field("id", stored=True, tokenizer_name="raw")
    schema.add_text_field("names", tokenizer_name="words", index_option="freq")
    schema.add_text_field("text", tokenizer_name="words", index_option="freq")
    schema.add_bytes_field("passage", stored=True, indexed=False)
    index = tantivy.Index(schema.build(), path=str(folder))
    index.register_tokenizer("words", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    return index


def _document(passage: Passage, names: Sequence[str]) -> Any:
    import tantivy

    named = " ".join([*passage.title.values(), *names])
    said = " ".join(text for claim in passage.claims for text in claim.text.values())
    return tantivy.Document(id=passage.id, names=" ".join(terms(named)), text=" ".join(terms(said)), passage=_dump(passage))


def _dump(passage: Passage) -> bytes:
    return json.dumps(
        {
            "id": passage.id, "topic": passage.topic, "title": dict(passage.title), "section": passage.section,
            "ledger": passage.ledger, "reviewed": passage.reviewed_on and passage.reviewed_on.isoformat(), "due": passage.review_due and passage.review_due.isoformat(),
            "sources": {s.key: [s.publisher, s.title, s.year, s.url, s.country] for c in passage.claims for s in c.sources},
            "claims": [[c.id, dict(c.text), [s.key for s in c.sources], c.country] for c in passage.claims],
            "span": passage.span and [passage.span.document, passage.span.page, passage.span.start, passage.span.end],
        },
        ensure_ascii=False,
    ).encode()  # fmt: skip


def _load(stored: bytes) -> Passage:
    row = json.loads(bytes(stored))
    sources = {key: Source(key, *fields) for key, fields in row["sources"].items()}
    claims = tuple(Claim(i, said, tuple(sources[k] for k in keys), country) for i, said, keys, country in row["claims"])
    reviewed, due = (date.fromisoformat(row[key]) if row[key] else None for key in ("reviewed", "due"))
    span = Span(*row["span"]) if row.get("span") else None
    return Passage(row["id"], row["topic"], row["title"], row["section"], claims, row["ledger"], reviewed, due, span)
