"""Builds and opens the index: vectors in Chroma, words and passages in tantivy, names in one JSON file."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.chunk import passages
from retrieval.embed import Embedder
from retrieval.interactions import Interactions
from retrieval.lexical import LexicalIndex
from retrieval.library import SiteLibrary
from retrieval.relevance import Relevance, Vectors, both_terms
from retrieval.retriever import GuidelineRetriever
from retrieval.store import VectorStore
from retrieval.text import KNOWLEDGE, teach_words
from retrieval.topics import Topic, load_topics
from retrieval.types import IndexMissing, Locale, Passage

FORMAT = "7"  # raise it when what is written changes
BATCH = 64


@dataclass(frozen=True, slots=True)
class IndexPlace:
    """Where an index lies and what belongs in it."""

    folder: Path
    topics: Path = KNOWLEDGE / "topics"

    def fingerprint(self, embedder_name: str) -> str:
        """Changes when a topic file, the embedder or the format does."""
        digest = hashlib.sha256(f"{FORMAT} {embedder_name}".encode())
        lexical = [self.topics.parent / "synonyms.yaml", self.topics.parent / "stop_words.yaml"]
        for path in [*sorted(self.topics.glob("*.yaml")), *(p for p in lexical if p.is_file())]:
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()


def build(
    place: IndexPlace,
    store: VectorStore,
    embedder: Embedder,
    progress: Callable[[Iterable[Sequence[Passage]]], Iterable[Sequence[Passage]]],
) -> int:
    """Writes the whole index; returns the number of passages. `progress` wraps the batches (a progress bar).

    The state file is written last, so a build that was cut off counts as missing.
    """
    topics = load_topics(place.topics)
    _teach(topics)
    found = passages(topics)
    (place.folder / "index.json").unlink(missing_ok=True)
    shutil.rmtree(place.folder / "words", ignore_errors=True)
    names = {topic.id: [*topic.names["en"], *topic.names["zh"]] for topic in topics}
    LexicalIndex.build(place.folder / "words", found, names)
    for locale in embedder.locales:
        store.drop(f"guideline_{locale}")
        whole, single = [], []
        for batch in progress([found[i : i + BATCH] for i in range(0, len(found), BATCH)]):
            single.append(embedder.embed([claim.say(locale) for p in batch for claim in p.claims]))
            whole.append(_means(single[-1], [len(p.claims) for p in batch]))
            store.upsert(f"guideline_{locale}", [p.id for p in batch], whole[-1])
        np.savez(place.folder / f"vectors-{locale}.npz", passages=np.concatenate(whole), claims=np.concatenate(single))
    _write_state(place, embedder, topics, len(found))
    return len(found)


def fresh(place: IndexPlace, store: VectorStore, embedder: Embedder) -> bool:
    """Whether the index is there, complete and built from the files as they are."""
    try:
        state = json.loads((place.folder / "index.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    counts = {store.count(f"guideline_{locale}") for locale in embedder.locales}
    same: bool = state["fingerprint"] == place.fingerprint(embedder.name) and counts <= {state["passages"]}
    return same


def open_index(
    place: IndexPlace, store: VectorStore, embedder: Embedder, library: SiteLibrary | None = None
) -> GuidelineRetriever:
    """The retriever over an index that is fresh, and the site's library where there is one. Raises IndexMissing."""
    if not fresh(place, store, embedder):
        raise IndexMissing(f"the index in {str(place.folder)!r} is missing or stale: run `doctor serve` or `make index`")
    topics = load_topics(place.topics)
    _teach(topics)
    found = passages(topics)
    vectors = {locale: _vectors(place, found, locale) for locale in embedder.locales}
    relevance = Relevance(embedder, {t.id: t.names for t in topics}, {t.id: _vocabulary(t) for t in topics}, vectors)
    return GuidelineRetriever(
        LexicalIndex(place.folder / "words"), store, embedder, relevance, found, library, Interactions.load()
    )


def _teach(topics: Iterable[Topic]) -> None:
    teach_words([name for topic in topics for name in topic.names["zh"]])


def _vectors(place: IndexPlace, found: Sequence[Passage], locale: Locale) -> Vectors:
    kept = np.load(place.folder / f"vectors-{locale}.npz")
    claims = [claim.id for passage in found for claim in passage.claims]
    return Vectors(
        dict(zip([p.id for p in found], kept["passages"], strict=True)), dict(zip(claims, kept["claims"], strict=True))
    )


def _vocabulary(topic: Topic) -> frozenset[str]:
    claims = (claim for section in topic.sections.values() for claim in section)
    return frozenset(word for claim in claims for text in claim.text.values() for word in both_terms(text))


def _means(vectors: NDArray[np.float32], sizes: Sequence[int]) -> NDArray[np.float32]:
    """The unit vector in the middle of each run of vectors: a passage is about what its claims are about."""
    sums = np.add.reduceat(vectors, np.cumsum([0, *sizes[:-1]]), axis=0)
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True).clip(1e-9), np.float32)


def _write_state(place: IndexPlace, embedder: Embedder, topics: Sequence[Topic], count: int) -> None:
    state = {"fingerprint": place.fingerprint(embedder.name), "passages": count, "topics": len(topics)}
    (place.folder / "index.json").write_text(json.dumps(state, indent=1), "utf-8")
