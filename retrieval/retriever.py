"""Hybrid search over guidelines: dense and BM25 give candidates, `relevance` ranks them and decides when to abstain."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from retrieval.embed import Embedder
from retrieval.interactions import Interactions
from retrieval.lexical import LexicalIndex
from retrieval.library import SiteLibrary
from retrieval.relevance import Asked, Ranked, Relevance
from retrieval.store import VectorStore
from retrieval.types import Evidence, Locale, Passage
from retrieval.uncovered import uncovered

LEXICAL, DENSE = 80, 40  # candidates of the two searches
CANDIDATES = 80  # of the fused list
RRF = 60  # the usual constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009)
FLOOR: dict[Locale, float] = {"en": 0.65, "zh": 0.55}  # probability that the topic is right; see finetune/LOG.md
UNSURE = 0.3  # from here to the floor the asker is offered the topics to choose from
ALSO = 0.8  # a second topic gives passages when it is at least this probable too


class GuidelineRetriever:
    """Search in both languages over one index. Holds the passages in memory for `section`."""

    def __init__(
        self,
        words: LexicalIndex,
        vectors: VectorStore,
        embedder: Embedder,
        relevance: Relevance,
        passages: Sequence[Passage],
        library: SiteLibrary | None = None,
        interactions: Interactions | None = None,
    ) -> None:
        self._words, self._vectors, self._embedder = words, vectors, embedder
        self.relevance, self._library, self._interactions = relevance, library, interactions
        self._by_id = {passage.id: passage for passage in passages}
        self._sections: dict[tuple[str, str], list[Passage]] = defaultdict(list)
        for passage in passages:
            self._sections[passage.topic, passage.section].append(passage)

    async def search(self, question: str, *, locale: Locale, k: int = 4, clinician: bool = False) -> Sequence[Evidence]:
        """At most k passages, best first, labelled E1, E2 …; none when no topic is above the floor.

        Medicines that are named together come first, where something is known of them; then the guidelines, each of whose claims was
        read on its own; the site's own documents when those are silent. Passages of the section `clinician` are only found with `clinician`. Raises StoreUnreachable.
        """
        if self._interactions and (together := self._interactions.search(question, clinician)):
            return together
        ranked = await asyncio.to_thread(self._ranked, question, locale, clinician)
        found = self._evidence(ranked, FLOOR[locale], k)
        return found or (await asyncio.to_thread(self._library.search, question, locale, k) if self._library else [])

    async def unsure(self, question: str, *, locale: Locale, k: int = 3) -> Sequence[str]:
        """The topics that the question may be about when none is above the floor, likeliest first."""
        about = _about(await asyncio.to_thread(self._ranked, question, locale, False))
        return [topic for topic, p in sorted(about.items(), key=lambda row: -row[1]) if p >= UNSURE][:k]

    def rankings(self, question: str, locale: Locale) -> tuple[list[tuple[str, float]], list[str], list[str]]:
        """For measuring: topics with their probability, likeliest first; ids of passages as BM25 ranks them, and as the vectors do."""
        about = _about(self._ranked(question, locale, False))
        vector = self._embedder.embed([question])[0].tolist()
        dense = [i for i, _ in self._vectors.query(f"guideline_{locale}", vector, LEXICAL)]
        return sorted(about.items(), key=lambda row: -row[1]), [i for i, _ in self._words.query(question, LEXICAL)], dense

    def section(self, topic: str, section: str) -> Sequence[Passage]:
        """All passages of one section of a topic, in reading order; none when there is no such section."""
        return self._sections.get((topic, section), ())

    def passage(self, passage_id: str) -> Passage:
        """The passage that holds this claim or has this id. Raises KeyError."""
        if passage_id in self._by_id:
            return self._by_id[passage_id]
        if self._library and passage_id.startswith("site-"):
            return self._library.passage(passage_id)
        if self._interactions and passage_id.startswith("interaction-"):
            return self._interactions.passage(passage_id)
        topic, _, section = passage_id.partition("#")[0].partition("/")
        for passage in self._sections.get((topic, section), ()):
            if any(claim.id == passage_id for claim in passage.claims):
                return passage
        raise KeyError(passage_id)

    def named(self, text: str) -> frozenset[str]:
        """The topics that a text calls by name."""
        return self.relevance.named(text)

    def uncovered(self, text: str) -> str:
        """What a text names that has no topic yet, unless it also names one that has, by words outside that name."""
        found = uncovered(text)
        return found if found and not self.named(text.replace(found, " ")) else ""

    def title(self, topic: str, locale: Locale) -> str:
        """A topic's title, or the id when there is no such topic."""
        if self._library and topic.startswith("site-"):
            return self._library.title(topic)
        if self._interactions and topic.startswith("interaction-"):
            return self._interactions.title(topic, locale)
        found = self.section(topic, "overview")
        return found[0].title[locale] if found else topic

    def __len__(self) -> int:
        return len(self._by_id)

    def _ranked(self, question: str, locale: Locale, clinician: bool) -> list[Ranked]:
        if self.uncovered(question):
            return []
        asked = self.relevance.read(question, locale)
        candidates, bm25 = self.candidates(asked, locale)
        return self.relevance.rank(asked, [p for p in candidates if clinician or p.section != "clinician"], bm25, locale)

    def candidates(self, asked: Asked, locale: Locale) -> tuple[list[Passage], list[str]]:
        """Passages of both searches, fused, best first; and the ids in BM25's own order."""
        bm25 = [i for i, _ in self._words.query(asked.text, LEXICAL)]
        lists = [bm25]
        if locale in self._embedder.locales:
            vector = self._embedder.embed([asked.text])[0].tolist()
            lists.append([i for i, _ in self._vectors.query(f"guideline_{locale}", vector, DENSE)])
        fused: dict[str, float] = defaultdict(float)
        for ids in lists:
            for rank, passage_id in enumerate(ids):
                fused[passage_id] += 1.0 / (RRF + rank)
        best = sorted(fused, key=lambda i: (-fused[i], i))[:CANDIDATES]
        return [self._by_id[i] for i in best if i in self._by_id], bm25

    @staticmethod
    def _evidence(ranked: Sequence[Ranked], floor: float, k: int) -> list[Evidence]:
        about = _about(ranked)
        first = max(about, key=lambda topic: about[topic], default="")
        if not first or about[first] < floor:
            return []
        topics = {topic for topic, p in about.items() if topic == first or p >= max(ALSO, floor)}
        answers: dict[str, dict[str, float]] = defaultdict(dict)
        passages: dict[str, Passage] = {}
        for item in sorted(ranked, key=lambda row: (row.passage.topic != first, -row.answers)):
            if item.passage.topic in topics and (item.passage.id in passages or len(passages) < k):
                passages[item.passage.id] = item.passage
                answers[item.passage.id][item.claim.id] = round(item.answers, 4)
        rows = enumerate(passages.values(), 1)
        return [Evidence(f"E{n}", p, round(about[p.topic], 4), answers[p.id]) for n, p in rows]


def _about(ranked: Sequence[Ranked]) -> dict[str, float]:
    """The probability of each topic: that of its likeliest claim."""
    about: dict[str, float] = defaultdict(float)
    for item in ranked:
        about[item.passage.topic] = max(about[item.passage.topic], item.about)
    return about
