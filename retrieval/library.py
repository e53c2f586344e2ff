"""A site's own documents, searched beside the guidelines: BM25 and dense candidates, ranked by a small logistic regression.

The weights (`library.json`) come from `python -m finetune.library`, which also measures them.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import Bilingual
from retrieval.lexical import LexicalIndex
from retrieval.manifest import Entry, Manifest
from retrieval.questions import asked_sections, without_cues
from retrieval.store import ChromaStore, VectorStore
from retrieval.text import terms, weighted_terms
from retrieval.types import Evidence, KnowledgeError, Locale, Passage

WEIGHTS = Path(__file__).parent / "library.json"
LEXICAL, DENSE = 60, 40  # candidates of the two searches
READ: dict[Locale, int] = {"en": 300, "zh": 150}  # characters of title and text that a vector is made of; words find the rest
FEATURES = (
    "cosine", "reciprocal dense rank", "share of best BM25", "reciprocal BM25 rank", "subject words in title", "subject words in passage or title",
    "heaviest subject word missing", "question words in passage or title", "section asked for", "words of title not asked for", "length of question",
)  # fmt: skip
Found = tuple[Passage, list[float]]


class Encoder(Protocol):
    """Unit vectors of texts in one language, float32, shape (len(texts), dimensions)."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Weights:
    """Coefficients of FEATURES, the intercept, and the probability from which an answer is given."""

    coefficients: NDArray[np.float64]
    intercept: float
    floor: float


class SiteLibrary:
    """Written by `retrieval.ingest`, read in every turn. One process writes at a time; readers open it anew to see more."""

    def __init__(self, folder: Path, store: VectorStore, encoders: Mapping[Locale, Encoder]) -> None:
        self._folder, self._store, self._encoders = folder, store, encoders
        self.manifest = Manifest(folder / "manifest.sqlite3")
        self._words = LexicalIndex.opened(folder / "words")

    @classmethod
    def at(cls, folder: Path, chroma_url: str | None, embedder: Bilingual) -> "SiteLibrary":
        """The library in `folder`, a new one when there is none; vectors in Chroma, in this process or served."""
        store = ChromaStore.server(chroma_url) if chroma_url else ChromaStore.embedded(folder / "chroma")
        return cls(folder, store, embedder.alone)

    def put(self, documents: Sequence[tuple[Entry, Sequence[Passage], Sequence[str]]]) -> None:
        """Indexes documents, then records them: (entry, passages, digests of the passages). Earlier versions go."""
        gone = [old for entry, _, _ in documents if (old := self.manifest.entry(entry.name))]
        self._remove(gone)
        for locale in self._encoders:
            found = [p for entry, passages, _ in documents if entry.locale == locale for p in passages]
            if found:
                vectors = self._encoders[locale].embed([f"{p.title[locale]}. {p.say(locale)}"[: READ[locale]] for p in found])
                self._store.upsert(f"site_{locale}", [p.id for p in found], vectors)
        self._words.update([p for _, passages, _ in documents for p in passages])
        self.manifest.record([(entry, digests) for entry, _, digests in documents])

    def forget(self, names: Iterable[str]) -> None:
        """Takes documents out."""
        gone = [entry for name in names if (entry := self.manifest.entry(name))]
        self._remove(gone)
        for entry in gone:
            self.manifest.forget(entry.name)

    def _remove(self, gone: Sequence[Entry]) -> None:
        ids = [i for entry in gone for i in self._words.of_topic(entry.key)]
        if ids:
            for locale in self._encoders:
                self._store.remove(f"site_{locale}", ids)
            self._words.update([], gone=ids)

    def search(self, question: str, locale: Locale, k: int) -> list[Evidence]:
        """At most k passages, best first, labelled E1, E2 …; none when the best is below the floor. Raises StoreUnreachable."""
        ranked = self.ranked(question, locale)
        if not ranked or ranked[0][1] < self.weights[locale].floor:
            return []
        words = weighted_terms(question)
        best = [row for row in ranked[:k] if row[1] >= 0.5 * ranked[0][1]]
        return [
            Evidence(f"E{n}", p, round(score, 4), _answers(p, score, words, locale)) for n, (p, score) in enumerate(best, 1)
        ]

    def ranked(self, question: str, locale: Locale) -> list[tuple[Passage, float]]:
        """Candidates with the probability (0..1) that they answer, best first."""
        found = self.candidates(question, locale)
        if not found:
            return []
        weights = self.weights[locale]
        z = np.asarray([features for _, features in found]) @ weights.coefficients + weights.intercept
        scores = 1.0 / (1.0 + np.exp(-z))
        order = np.argsort(-scores, kind="stable")
        return [(found[n][0], float(scores[n])) for n in order]

    def candidates(self, question: str, locale: Locale, without: str = "") -> list[Found]:
        """Passages of both searches with their FEATURES. `without` names a document to be treated as if it were not there (training)."""
        bm25, dense = self.searched(question, locale)
        if without:
            bm25 = [row for row in bm25 if not row[0].startswith(without)]
            dense = {i: cosine for i, cosine in dense.items() if not i.startswith(without)}
        if not bm25 and not dense:
            return []
        lexical, place = dict(bm25), {i: n for n, (i, _) in enumerate(bm25)}
        near = {i: n for n, i in enumerate(dense)}
        top, least = (bm25[0][1] if bm25 else 1.0), min(dense.values(), default=0.0)
        ids = list(dict.fromkeys([*lexical, *dense]))
        asked = Question.read(question)
        return [
            (
                passage,
                [
                    dense.get(i, least), 1.0 / (1 + near.get(i, 99)), lexical.get(i, 0.0) / (top or 1.0), 1.0 / (1 + place.get(i, 99)),
                    *asked.shares(passage, locale),
                ],
            )
            for i, passage in zip(ids, self._words.get(ids), strict=True)
            if locale in passage.title
        ]  # fmt: skip

    def searched(self, question: str, locale: Locale) -> tuple[list[tuple[str, float]], dict[str, float]]:
        """Ids with their BM25 score, best first, and ids with their cosine, nearest first."""
        vector = self._encoders[locale].embed([question])[0].tolist()
        return self._words.query(question, LEXICAL), dict(self._store.query(f"site_{locale}", vector, DENSE))

    def passage(self, passage_id: str) -> Passage:
        """Raises KeyError."""
        number = passage_id.rpartition(".")
        return self._words.get([f"{number[0]}.1"])[0]

    def title(self, topic: str) -> str:
        """The title of the document that has this key, or the key when there is none."""
        return next((entry.title for entry in self.manifest.entries() if entry.key == topic), topic)

    def __len__(self) -> int:
        return len(self._words)

    @cached_property
    def weights(self) -> dict[Locale, Weights]:
        try:
            data = json.loads(WEIGHTS.read_text("utf-8"))
            if data["features"] != list(FEATURES):
                raise KnowledgeError(f"{WEIGHTS}: made for other features: run `python -m finetune.library`")
            return {
                locale: Weights(np.asarray(row["coefficients"]), float(row["intercept"]), float(row["floor"]))
                for locale, row in data["models"].items()
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KnowledgeError(f"{WEIGHTS}: {error!r}: run `python -m finetune.library`") from error


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the features see it: its words, and those of its subject, with their weights."""

    words: Mapping[str, float]
    subject: Mapping[str, float]
    sections: frozenset[str]

    @classmethod
    def read(cls, text: str) -> "Question":
        return cls(weighted_terms(text), weighted_terms(without_cues(text)), asked_sections(text))

    def shares(self, passage: Passage, locale: Locale) -> list[float]:
        title = passage.title[locale]
        named, held = set(terms(title, False)), set(terms(passage.say(locale), False))
        head = title.partition(": ")[0]
        own = weighted_terms(head)
        missing = max((w for t, w in self.subject.items() if t not in named and t not in held), default=0.0)
        strange = sum(w for t, w in own.items() if t not in self.words) / (sum(own.values()) or 1.0)
        section = bool(self.sections & asked_sections(title.partition(": ")[2] or title))
        return [
            _share(self.subject, named), _share(self.subject, named | held), missing, _share(self.words, named | held), float(section), strange,
            math.log1p(len(self.words)),
        ]  # fmt: skip


def _share(words: Mapping[str, float], held: set[str]) -> float:
    total = sum(words.values())
    return sum(w for t, w in words.items() if t in held) / total if total else 0.0


def _answers(passage: Passage, score: float, words: Mapping[str, float], locale: Locale) -> dict[str, float]:
    """Each sentence by how much of the question it holds; the first of a passage says most when none holds more."""
    shares: dict[str, float] = defaultdict(float)
    for number, claim in enumerate(passage.claims):
        held = set(terms(claim.say(locale), False))
        shares[claim.id] = round(score * (0.5 + 0.5 * _share(words, held)) * 0.95**number, 4)
    return shares
