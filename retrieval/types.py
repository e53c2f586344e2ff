"""What retrieval produces. Imports nothing of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

Locale = Literal["en", "zh"]
Ledger = Literal["record", "guideline"]
LOCALES: tuple[Locale, ...] = get_args(Locale)


class RetrievalError(Exception):
    """Base of what retrieval raises; the text holds the value and the remedy."""


class KnowledgeError(RetrievalError):
    """A knowledge file is wrong; the text names file and line."""


class IndexMissing(RetrievalError):
    """There is no index, or it was built from other files."""


class StoreUnreachable(RetrievalError):
    """The vector store does not answer."""


@dataclass(frozen=True, slots=True)
class Source:
    """A published document that a claim rests on."""

    key: str
    publisher: str
    title: str
    year: int | None  # None: not known
    url: str | None = None
    country: str | None = None  # ISO 3166-1 alpha-2; None is international


@dataclass(frozen=True, slots=True)
class Claim:
    """One short sentence that stands on its own: the unit that is retrieved, cited, shown and checked."""

    id: str  # "topic/section#claim", never a row number
    text: Mapping[Locale, str]  # one or both languages
    sources: tuple[Source, ...]
    country: str | None = None

    def say(self, locale: Locale) -> str:
        """The claim in `locale`, or in the language it has."""
        return self.text.get(locale) or next(iter(self.text.values()))


@dataclass(frozen=True, slots=True)
class Span:
    """Where a passage stands in a document of the site's own."""

    document: str  # the file, and the place in it where it holds several documents
    page: int | None  # from 1; None where the format has no pages
    start: int  # characters of the document's text as it was read
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring claims of one section of one topic. Both languages share the id."""

    id: str  # the id of its first claim
    topic: str
    title: Mapping[Locale, str]
    section: str  # a key of SECTIONS, or "get_help.emergency" and so on
    claims: tuple[Claim, ...]
    ledger: Ledger = "guideline"
    reviewed_on: date | None = None
    review_due: date | None = None
    span: Span | None = None  # of a site's own document

    @property
    def stale(self) -> bool:
        """Whether its review date has passed."""
        return self.review_due is not None and self.review_due < date.today()

    def say_title(self, locale: Locale) -> str:
        """The title in `locale`, or in the language it has."""
        return self.title.get(locale) or next(iter(self.title.values()))

    def say(self, locale: Locale) -> str:
        """All claims in `locale`, as one paragraph."""
        return (" " if locale == "en" else "").join(claim.say(locale) for claim in self.claims)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage retrieved for one turn, under the label it is cited by."""

    label: str  # "E1", "E2", ... (record: "R1", ...), unique within the turn
    passage: Passage
    score: float  # 0..1: the probability that the passage's topic is what was asked about
    answers: Mapping[str, float] = field(default_factory=dict)  # claim id -> probability that it answers


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a shown sentence comes from."""

    label: str
    passage_id: str
    claim_ids: tuple[str, ...] = ()
