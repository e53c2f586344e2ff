"""How probably a claim answers a question, and how probably its topic is what the question is about.

Two logistic regressions for each language over the features below. Search ranks candidates; these decide which claim
comes first and whether the best topic is good enough to answer from. A passage on another subject is the commonest way
for a cited answer to be wrong, so words that name a subject and that the topic never uses count against it.
The weights come from `python -m finetune.relevance`, which also measures them.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import Embedder
from retrieval.questions import asked_sections, without_cues
from retrieval.spelling import Speller
from retrieval.text import stem, terms, weighted_terms
from retrieval.types import Claim, KnowledgeError, Locale, Passage

WEIGHTS = Path(__file__).parent / "relevance.json"
FEATURES = (
    "cosine of claim", "best cosine in passage", "best cosine in topic", "question words in claim", "subject words in claim or names",
    "subject words in passage or names", "subject words in topic", "heaviest word unknown to topic", "weight unknown to topic",
    "topic named", "other topic named", "weight unknown to all topics", "section asked for", "other section asked for",
    "reciprocal BM25 rank", "topic's share of BM25", "length of question", "heaviest word not in passage",
)  # fmt: skip
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unit vectors of what is indexed, by id: computed once, when the index is built."""

    passages: Mapping[str, Floats]
    claims: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate claim. Both numbers are probabilities (0..1)."""

    claim: Claim
    passage: Passage
    answers: float  # that this claim answers the question
    about: float  # that its topic is what the question is about


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the features see it."""

    text: str
    words: Mapping[str, float]  # all its terms with their weight
    subject: Mapping[str, float]  # the terms left when the cue words are gone
    sections: frozenset[str]
    named: frozenset[str]


class Relevance:
    """Needs, for each topic, its names in each language and all terms that its claims use."""

    def __init__(
        self,
        embedder: Embedder,
        names: Mapping[str, Mapping[Locale, Sequence[str]]],
        vocabulary: Mapping[str, frozenset[str]],
        vectors: Mapping[Locale, Vectors],
        weights: Path = WEIGHTS,
    ) -> None:
        self._embedder, self._vectors = embedder, vectors
        self._own = {t: frozenset(w for n in c.values() for x in n for w in both_terms(x)) for t, c in names.items()}
        self._known = {topic: words | self._own.get(topic, frozenset()) for topic, words in vocabulary.items()}
        self._all = frozenset().union(*self._known.values())
        self._names = {topic: _pattern(called) for topic, called in names.items()}
        self._speller = Speller(self._all)
        self._models = _load(weights)

    def named(self, question: str) -> frozenset[str]:
        """The topics that the question calls by one of their names; the longest names win over those inside them."""
        text = " ".join(stem(word) for word in _latin(question)) + " " + question.lower()
        spans = {topic: m.group() for topic, pattern in self._names.items() if (m := pattern.search(text))}
        return frozenset(t for t, n in spans.items() if not any(n != other and n in other for other in spans.values()))

    def read(self, question: str, locale: Locale) -> Asked:
        """The question with its spelling mended. Synonyms count in Chinese only: in English the vectors know them better."""
        text, fold = self._speller.mend(question), _fold(locale)
        subject = weighted_terms(without_cues(text), fold)
        return Asked(text, weighted_terms(text, fold), subject, asked_sections(text), self.named(text))

    def rank(self, asked: Asked, candidates: Sequence[Passage], bm25: Sequence[str], locale: Locale) -> list[Ranked]:
        """Every claim of the candidates, the likeliest answer first. `bm25` has passage ids, best first."""
        claims = [(claim, passage) for passage in candidates for claim in passage.claims]
        if not claims or not asked.words:
            return []
        features = self.features(asked, claims, bm25, locale)
        answers, about = (_logistic(self._models[locale][part], features) for part in ("claim", "topic"))
        ranked = [Ranked(c, p, float(a), float(b)) for (c, p), a, b in zip(claims, answers, about, strict=True)]
        return sorted(ranked, key=lambda item: -item.answers)

    def features(
        self, asked: Asked, claims: Sequence[tuple[Claim, Passage]], bm25: Sequence[str], locale: Locale, without: str = ""
    ) -> NDArray[np.float64]:
        """Shape (len(claims), len(FEATURES)). `without` names a topic to be treated as if it were not there (training)."""
        cosines = self._cosines(asked.text, [claim.id for claim, _ in claims], locale)
        in_passage: dict[str, float] = defaultdict(float)
        in_topic: dict[str, float] = defaultdict(float)
        for (_, passage), cosine in zip(claims, cosines, strict=True):
            in_passage[passage.id] = max(in_passage[passage.id], float(cosine))
            in_topic[passage.topic] = max(in_topic[passage.topic], float(cosine))
        place = {passage_id: rank for rank, passage_id in enumerate(bm25)}
        share = _shares(bm25)
        everything = self._all if not without else frozenset().union(*(k for t, k in self._known.items() if t != without))
        unknown = _share(asked.subject, asked.subject.keys() - everything)
        topics = {topic: self._of_topic(asked, topic) for topic in in_topic}
        passages = {passage.id: self._of_passage(asked, passage, locale) for _, passage in claims}
        rows = []
        for (claim, passage), cosine in zip(claims, cosines, strict=True):
            held = _claim_terms(claim.say(locale), _fold(locale))
            own = self._own.get(passage.topic, frozenset())
            section = passage.section in asked.sections
            rows.append([
                float(cosine), in_passage[passage.id], in_topic[passage.topic], _share(asked.words, held),
                _share(asked.subject, held | own), passages[passage.id][0], *topics[passage.topic],
                float(passage.topic in asked.named), float(bool(asked.named) and passage.topic not in asked.named), unknown,
                float(section), float(bool(asked.sections) and not section), 1.0 / (1 + place.get(passage.id, 99)),
                share.get(passage.topic, 0.0), math.log1p(len(asked.words)), passages[passage.id][1],
            ])  # fmt: skip
        return np.asarray(rows, dtype=np.float64)

    def _cosines(self, question: str, ids: Sequence[str], locale: Locale) -> Floats:
        if locale not in self._vectors:
            return np.zeros(len(ids), np.float32)
        vector = self._embedder.embed([question])[0]
        found: Floats = np.stack([self._vectors[locale].claims[i] for i in ids]) @ vector
        return found

    def _of_topic(self, asked: Asked, topic: str) -> tuple[float, float, float]:
        known = self._known.get(topic, frozenset())
        strange = [w for t, w in asked.subject.items() if t not in known and not t[0].isdigit()]
        return _share(asked.subject, known), max(strange, default=0.0), sum(strange)

    def _of_passage(self, asked: Asked, passage: Passage, locale: Locale) -> tuple[float, float]:
        own = self._own.get(passage.topic, frozenset())
        held = own.union(*(_claim_terms(claim.say(locale), _fold(locale)) for claim in passage.claims))
        strange = [w for t, w in asked.subject.items() if t not in held and not t[0].isdigit()]
        return _share(asked.subject, held), max(strange, default=0.0)


@lru_cache(maxsize=20_000)
def _claim_terms(text: str, fold: bool) -> frozenset[str]:
    return frozenset(terms(text, fold))


def _fold(locale: Locale) -> bool:
    return locale == "zh"


def both_terms(text: str) -> frozenset[str]:
    """The terms of a text with and without synonyms folded."""
    return frozenset(terms(text)) | frozenset(terms(text, False))


def _share(words: Mapping[str, float], held: Container[str]) -> float:
    total = sum(words.values())
    return sum(w for t, w in words.items() if t in held) / total if total else 0.0


def _shares(bm25: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for rank, passage_id in enumerate(bm25):
        found[passage_id.partition("/")[0]] += 1.0 / (10 + rank)
    total = sum(found.values())
    return {topic: value / total for topic, value in found.items()}


def _pattern(called: Mapping[Locale, Sequence[str]]) -> re.Pattern[str]:
    english = sorted((" ".join(stem(w) for w in _latin(name)) for name in called.get("en", ())), key=len, reverse=True)
    parts = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in english if name]
    parts += [re.escape(name.lower()) for name in sorted(called.get("zh", ()), key=len, reverse=True)]
    return re.compile("|".join(parts) or r"(?!)")


def _latin(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])['’](?=[a-z])", "", text.lower()))


def _load(path: Path) -> dict[Locale, dict[str, tuple[NDArray[np.float64], float]]]:
    """Coefficients and intercept of each model; the scaling of the training data is already folded in."""
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["features"] != list(FEATURES):
            raise KnowledgeError(f"{path}: made for other features: run `python -m finetune.relevance`")
        return {
            locale: {
                part: (np.asarray(row["coefficients"], np.float64), float(row["intercept"])) for part, row in models.items()
            }
            for locale, models in data["models"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KnowledgeError(f"{path}: {error!r}: run `python -m finetune.relevance`") from error


def _logistic(model: tuple[NDArray[np.float64], float], features: NDArray[np.float64]) -> NDArray[np.float64]:
    coefficients, intercept = model
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(features @ coefficients + intercept)))
    return found
