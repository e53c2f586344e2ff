"""What a question takes as given and the guidelines deny, from `knowledge/premises.yaml`.

A belief is found in three steps. The question must presume something: its neutral clauses ("do antibiotics cure flu?") are left
out, and so is a question that doubts. What is left must have the belief's key words and its polarity ("antibiotics don't cure
flu" is true). Last, sentence vectors must put the question nearer to a wording of the belief than to its true neighbours.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from retrieval.embed import Embedder, Vectors
from retrieval.text import KNOWLEDGE, stem
from retrieval.types import LOCALES, Evidence, KnowledgeError, Locale, Passage
from safety.replies import reply

FLOOR: dict[Locale, float] = {"en": 0.5, "zh": 0.5}  # least cosine of a question with a wording of the belief
MARGIN: dict[Locale, float] = {"en": -0.02, "zh": 0.0}  # by how much a wording must be nearer than the nearest true neighbour
MOST_SAID = 2  # correcting claims
_WORD = re.compile(r"[a-z0-9]+")
_CLAUSE = re.compile(r"[.,;:!?，。；：？！、\n]+\s*")
_A_NOT_A = re.compile(r"([\u4e00-\u9fff])[不没]\1")
_WH = re.compile(r"\b(?:which|what|how|why|when|where|who)\b")
_ASKED = re.compile(
    r"\b(?:(?:should|can|could|do|does|did|would) (?:i|we|he|she|it|they|you|my|the|that|this)|(?:is|are|will|may|must) (?:i|we|he|she|it|they|you|there|this|that))\b"
)
Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Group = tuple[str, ...]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Both(_Model):
    en: list[Text] = Field(min_length=1)
    zh: list[Text] = Field(min_length=1)


class _Cues(_Model):
    presumes: _Both
    asks: _Both
    doubts: _Both
    against: _Both
    exceptions: _Both


class _Belief(_Model):
    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    corrected_by: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z_.]+#[a-z0-9-]+$")]] = Field(min_length=1)
    keys: _Both
    en: list[Text] = Field(min_length=2, max_length=4)
    zh: list[Text] = Field(min_length=2, max_length=4)
    true_neighbours: _Both


class _File(_Model):
    cues: _Cues
    words: dict[str, dict[Locale, str]]
    beliefs: list[_Belief] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Belief:
    """A common false belief: its key words, how it is presupposed, and what is near it but true."""

    id: str
    corrected_by: tuple[str, ...]  # claims, "topic/section#claim"
    keys: Mapping[Locale, tuple[Group, ...]]
    said: Mapping[Locale, tuple[str, ...]]
    neighbours: Mapping[Locale, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Correction:
    """What to say before the answer: the lead-in, one sentence a line, and the claims with their labels. Empty when nothing is wrong."""

    evidence: tuple[Evidence, ...] = ()  # passages to add to the turn's
    lead_in: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cues:
    """The words that show what a question takes as given, as they are matched."""

    lists: Mapping[str, Mapping[Locale, Group]]

    def found(self, kind: str, text: str, locale: Locale) -> bool:
        return any(cue in text for cue in self.lists[kind][locale])

    def turned(self, text: str, locale: Locale) -> int:
        """How many words of a read text turn it round."""
        for phrase in self.lists["exceptions"][locale]:
            text = text.replace(phrase, " ")
        return len(_alternatives(self.lists["against"][locale]).findall(text))


@dataclass(slots=True)
class Premises:
    """Finds the false belief that a question takes as given. `embedder` has vectors for both languages."""

    beliefs: tuple[Belief, ...]
    cues: Cues
    embedder: Embedder
    _vectors: dict[tuple[str, Locale], tuple[Vectors, Vectors]] = field(default_factory=dict)

    @classmethod
    def load(cls, embedder: Embedder, path: Path = KNOWLEDGE / "premises.yaml") -> "Premises":
        """Raises KnowledgeError that names the file and its faults."""
        try:
            file = _File.model_validate(yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader))
            return cls(tuple(_belief(row, file.words) for row in file.beliefs), _cues(file.cues), embedder)
        except (OSError, yaml.YAMLError, ValidationError, KeyError) as error:
            raise KnowledgeError(f"{path}: {error}; the comments at its top say what belongs where") from error

    async def correction(
        self, question: str, locale: Locale, evidence: Sequence[Evidence], passage: Callable[[str], Passage]
    ) -> Correction:
        """What to say first when the question takes something false as given. `passage` gives the passage that holds a claim."""
        belief = await asyncio.to_thread(self.find, question, locale)
        return correct(belief, locale, evidence, passage) if belief else Correction()

    def find(self, question: str, locale: Locale) -> Belief | None:
        """The false belief that the question takes as given; the likeliest, None when there is none."""
        clauses = self.presumed(question, locale)
        worded = [belief for belief in self.beliefs if clauses and self._worded(belief, clauses, locale)]
        if not worded:
            return None
        asked = self.embedder.embed([question])[0]
        scored = [(self._nearness(belief, asked, locale), belief) for belief in worded]
        (said, neighbour), best = max(scored, key=lambda row: row[0][0])
        return best if said >= FLOOR[locale] and said - neighbour >= MARGIN[locale] else None

    def presumed(self, question: str, locale: Locale) -> list[str]:
        """The clauses, as they are matched, that the question does not leave open; none when it presumes nothing."""
        plain = _plain(question)
        whole = _read(plain, locale)
        if self.cues.found("doubts", whole, locale) or not self.cues.found("presumes", whole, locale):
            return []
        clauses = list(_clauses(plain, locale))
        return [_read(clause, locale) for clause in clauses if not self._asks(clause, locale)]

    def _asks(self, clause: str, locale: Locale) -> bool:
        if locale == "zh":
            return self.cues.found("asks", clause, locale) or bool(_A_NOT_A.search(clause))
        words = re.sub(r"^(?:and|but|so|then|or|ok|okay|well|also|please|hi|hello) ", "", clause)
        return _read(words, locale).startswith(self.cues.lists["asks"][locale])

    def _worded(self, belief: Belief, clauses: Sequence[str], locale: Locale) -> bool:
        """Whether the clauses have the belief's key words, and are turned round as one of its wordings is."""
        groups, text = belief.keys[locale], " ".join(clauses)
        if not all(_alternatives(group).search(text) for group in groups):
            return False
        turns = [self._turns(belief, self.presumed(said, locale), locale) for said in belief.said[locale]]
        return all(
            count in counts
            for count, counts in zip(self._turns(belief, clauses, locale), zip(*turns, strict=True), strict=True)
        )

    def _turns(self, belief: Belief, clauses: Sequence[str], locale: Locale) -> tuple[int, int]:
        """How many words turn round the clauses that have the most of the key words, and those that have any.

        A word that belongs to a key ("can't", "no need") does not turn it round.
        """
        groups = belief.keys[locale]
        counts = [sum(bool(_alternatives(group).search(clause)) for group in groups) for clause in clauses]
        denying = tuple(word for group in groups for word in group if self.cues.turned(word, locale))
        left = [_alternatives(denying).sub(" ", clause) if denying else clause for clause in clauses]
        turned = [self.cues.turned(clause, locale) for clause in left]
        most = max(counts)
        return sum(t for t, n in zip(turned, counts, strict=True) if n == most), sum(
            t for t, n in zip(turned, counts, strict=True) if n
        )

    def _nearness(self, belief: Belief, asked: Vectors, locale: Locale) -> tuple[float, float]:
        """The cosines with the nearest wording and with the nearest true neighbour."""
        key = belief.id, locale
        if key not in self._vectors:
            said, near = belief.said[locale], belief.neighbours[locale]
            self._vectors[key] = self.embedder.embed(said), self.embedder.embed(near)
        said_vectors, near_vectors = self._vectors[key]
        return float(np.max(said_vectors @ asked)), float(np.max(near_vectors @ asked))


def correct(belief: Belief, locale: Locale, evidence: Sequence[Evidence], passage: Callable[[str], Passage]) -> Correction:
    """The lead-in and the correcting claims, labelled on from the evidence that the turn already has."""
    labels = {item.passage.id: item.label for item in evidence}
    added: list[Evidence] = []
    lines: list[str] = []
    for claim_id in belief.corrected_by[:MOST_SAID]:
        found = passage(claim_id)
        if found.id not in labels:
            added.append(Evidence(f"E{len(labels) + 1}", found, 0.0))
            labels[found.id] = added[-1].label
        claim = next(claim for claim in found.claims if claim.id == claim_id)
        lines.append(f"{claim.say(locale)} [{labels[found.id]}]")
    return Correction(tuple(added), reply("false_premise", locale), tuple(lines))


def _belief(row: _Belief, words: Mapping[str, Mapping[Locale, str]]) -> Belief:
    keys: dict[Locale, tuple[Group, ...]] = {
        locale: tuple(_group(key, locale, words) for key in getattr(row.keys, locale)) for locale in LOCALES
    }
    said: dict[Locale, tuple[str, ...]] = {"en": tuple(row.en), "zh": tuple(row.zh)}
    near: dict[Locale, tuple[str, ...]] = {"en": tuple(row.true_neighbours.en), "zh": tuple(row.true_neighbours.zh)}
    return Belief(row.id, tuple(row.corrected_by), keys, said, near)


def _group(key: str, locale: Locale, words: Mapping[str, Mapping[Locale, str]]) -> Group:
    names = [name for part in key.split("|") for name in (words[part[1:]][locale] if part[0] == "@" else part).split("|")]
    return tuple(_read(_plain(name), locale) for name in names)


def _cues(row: _Cues) -> Cues:
    return Cues(
        {
            kind: {locale: tuple(_read(_plain(cue), locale) for cue in getattr(both, locale)) for locale in LOCALES}
            for kind, both in row
        }
    )


@lru_cache(maxsize=4096)
def _alternatives(words: Group) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))


def _clauses(plain: str, locale: Locale) -> Iterator[str]:
    """The clauses of a text. "since … should I …" without a comma is two."""
    for clause in filter(None, _CLAUSE.split(plain)):
        asked = _ASKED.search(clause) if locale == "en" else None
        if asked and not _WH.search(clause[: asked.start()]):
            yield from filter(None, (clause[: asked.start()].strip(), clause[asked.start() :]))
        else:
            yield clause


def _plain(text: str) -> str:
    """Lower case, short forms of "not" written out."""
    text = re.sub(r"\b(?:can't|cannot)\b", "can not", text.lower().replace("’", "'")).replace("won't", "will not")
    return re.sub(r"n't\b", " not", text)


def _read(plain: str, locale: Locale) -> str:
    """As it is matched: English as stems between spaces, Chinese without spaces."""
    if locale == "zh":
        return re.sub(r"\s+", "", plain)
    return (
        f" {' '.join(stem(word) for word in _WORD.findall(plain.replace(chr(39), '')))}{'? ' if plain.endswith('?') else ' '}"
    )
