"""Takes a site's own documents into its library: read, checked for language, copies and hidden instructions, cut, indexed.

A document is recorded only when all of it is indexed, under ids that depend on nothing but its name: a run that was cut
off takes the unrecorded ones again, and nothing is lost or doubled.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Protocol, get_args

from retrieval.library import SiteLibrary
from retrieval.manifest import Entry
from retrieval.readers.document import Document, Unreadable
from retrieval.text import sentences
from retrieval.types import LOCALES, Claim, Locale, Passage, Source, Span

ROOM: dict[Locale, int] = {"en": 600, "zh": 220}  # characters of a passage: about 100 words
LONG: dict[Locale, int] = {"en": 500, "zh": 180}  # characters of a sentence; what is longer is a list, and is cut
BATCH = 512  # passages that are indexed at a time
LANGUAGE_FROM = 40  # letters that tell a language
Scan = Callable[[str, Locale], str]  # why a text must not be taken in, or ""


class Readable(Protocol):
    """retrieval.readers.files.File: something that holds documents."""

    @property
    def name(self) -> str: ...

    def documents(self) -> list[Document]:
        """Raises Unreadable."""
        ...


@dataclass(slots=True)
class Report:
    """What became of each file; `skipped` and `quarantined` are (name, reason)."""

    added: int = 0
    unchanged: int = 0
    passages: int = 0
    copies: int = 0  # passages whose very text another document had already
    skipped: list[tuple[str, str]] = field(default_factory=list)
    quarantined: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ready:
    """A document that is to be indexed."""

    entry: Entry
    passages: tuple[Passage, ...]
    digests: tuple[str, ...]


def ingest(files: Iterable[Readable], library: SiteLibrary, scan: Scan, publisher: str) -> Report:
    """Takes every file in; `publisher` is named where a document does not say whose it is."""
    report = Report()
    waiting: list[Ready] = []
    for ready in _ready(files, library, scan, publisher, report, waiting):
        waiting.append(ready)
        if sum(len(one.passages) for one in waiting) >= BATCH:
            _index(waiting, library, report)
    _index(waiting, library, report)
    return report


def _index(waiting: list[Ready], library: SiteLibrary, report: Report) -> None:
    library.put([(one.entry, one.passages, one.digests) for one in waiting])
    report.added += len(waiting)
    report.passages += sum(len(one.passages) for one in waiting)
    waiting.clear()


def _ready(
    files: Iterable[Readable], library: SiteLibrary, scan: Scan, publisher: str, report: Report, waiting: Sequence[Ready]
) -> Iterator[Ready]:
    for file in files:
        try:
            documents = file.documents()
        except (Unreadable, OSError) as error:
            report.skipped.append((file.name, str(error)))
            continue
        for document in documents:
            entry = library.manifest.entry(document.name)
            if entry and entry.digest == _digest(document.title + document.text):
                report.unchanged += 1
                continue
            try:
                yield _checked(document, library, scan, publisher, report, waiting)
            except Unreadable as error:
                report.skipped.append((document.name, str(error)))


def _checked(
    document: Document, library: SiteLibrary, scan: Scan, publisher: str, report: Report, waiting: Sequence[Ready]
) -> Ready:
    locale = language(document.text)
    key = f"site-{_slug(document.title)}-{_digest(document.name)[:10]}"
    digest = _digest(document.title + document.text)
    for part in document.parts:
        if why := scan(f"{part.heading}\n{part.text}", locale):
            entry = Entry(document.name, key, digest, document.title, locale, "quarantined", 0, why)
            report.quarantined.append((document.name, why))
            library.put([(entry, (), ())])
            raise Unreadable(f"quarantined: {why}")
    seen = {one: ready.entry.name for ready in waiting for one in ready.digests}
    kept, digests, copy_of = [], [], ""
    for passage in cut(document, locale, key, publisher):
        one = _digest(passage.title[locale] + passage.say(locale))
        owner = library.manifest.owner(one) or seen.get(one)
        if owner and owner != document.name:
            report.copies += 1
            copy_of = owner
        elif one not in digests:
            kept.append(passage)
            digests.append(one)
    if not kept:
        raise Unreadable(f"all of its text stands in {copy_of!r} already")
    return Ready(Entry(document.name, key, digest, document.title, locale, "in", len(kept)), tuple(kept), tuple(digests))


def language(text: str) -> Locale:
    """English or Chinese. Raises Unreadable for another language."""
    sample = text[:3_000]
    if len(re.findall(r"\w", sample)) < LANGUAGE_FROM:
        return "zh" if re.search(r"[\u3400-\u9fff]", sample) else "en"
    found = _identifier().classify(sample)[0]
    if found not in get_args(Locale):
        raise Unreadable(f"its language is {found!r}: only {' and '.join(LOCALES)} are searched")
    return "zh" if found == "zh" else "en"


@cache
def _identifier() -> Any:
    import py3langid  # type: ignore[import-untyped]  # a second to load

    return py3langid


def cut(document: Document, locale: Locale, key: str, publisher: str) -> Iterator[Passage]:
    """Passages of whole sentences, at most ROOM characters each, none across a heading or a page. Claims are sentences."""
    source = Source(
        key, document.publisher or publisher, document.title, document.year, document.url if _web(document.url) else None
    )
    number, at = 0, 0
    for part in document.parts:
        for start, said in _runs(part.text, locale):
            number += 1
            claims = tuple(Claim(f"{key}/text#{number}.{n}", {locale: one}, (source,)) for n, one in enumerate(said, 1))
            title = f"{document.title}: {part.heading}" if part.heading and part.heading != document.title else document.title
            end = start + len((" " if locale == "en" else "").join(said))
            span = Span(document.name, part.page, at + start, min(at + end, at + len(part.text)))
            yield Passage(claims[0].id, key, {locale: title}, "text", claims, span=span)
        at += len(part.text) + 1


def _runs(text: str, locale: Locale) -> Iterator[tuple[int, list[str]]]:
    """Where each run of sentences begins in the text, and the sentences."""
    run: list[str] = []
    begin = at = 0
    for sentence in _sentences(text, locale):
        found = text.find(sentence[:30], at)
        at = found if found >= 0 else at
        if run and sum(map(len, run)) + len(sentence) > ROOM[locale]:
            yield begin, run
            run = []
        if not run:
            begin = at
        run.append(sentence)
        at += len(sentence)
    if run:
        yield begin, run


def _sentences(text: str, locale: Locale) -> Iterator[str]:
    """Its sentences; one that is longer than LONG (a list, a table) in pieces, cut between words."""
    most = LONG[locale]
    for sentence in sentences(text):
        edges = [0]
        while len(sentence) - edges[-1] > most:
            space = sentence.rfind(" ", edges[-1] + most // 2, edges[-1] + most)
            edges.append(space + 1 if space > 0 else edges[-1] + most)
        for one, other in pairwise([*edges, len(sentence)]):
            if piece := sentence[one:other].strip():
                yield piece


def _web(url: str | None) -> bool:
    return bool(url) and str(url).startswith(("http://", "https://"))


def _digest(text: str) -> str:
    return hashlib.sha256(re.sub(r"\W+", " ", text).casefold().strip().encode()).hexdigest()[:32]


def _slug(title: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:40].strip("-") or "document"
