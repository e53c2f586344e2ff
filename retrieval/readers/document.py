"""What a reader makes of a file: documents whose parts keep their heading, page and place. Imports nothing heavy."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from retrieval.types import RetrievalError

LARGEST = 200_000_000  # bytes of a file
MOST_TEXT = 5_000_000  # characters of a document


class Unreadable(RetrievalError):
    """A file that cannot be taken in; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of text under one heading, on one page."""

    heading: str
    text: str
    page: int | None = None  # from 1, where the format has pages


@dataclass(frozen=True, slots=True)
class Document:
    """One document and who published it."""

    name: str  # where it was found: a path, or a path and a place inside it; the same document keeps its name
    title: str
    parts: tuple[Part, ...]
    publisher: str = ""
    year: int | None = None
    url: str | None = None

    @property
    def text(self) -> str:
        """Its parts, one a line: what spans count in."""
        return "\n".join(part.text for part in self.parts)


def decoded(data: bytes) -> str:
    """The text of bytes in UTF-8, UTF-16, GB 18030 or what they look like. Raises Unreadable."""
    if not data.strip():
        raise Unreadable("the file is empty")
    for encoding in ("utf-8-sig", *(("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ())):
        try:
            return _clean(data.decode(encoding))
        except UnicodeDecodeError:
            continue
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None or b"\0" in data[:4_096]:
        raise Unreadable("not text in any known encoding: save it as UTF-8")
    return _clean(str(best))


def _clean(text: str) -> str:
    if text.count("\ufffd") > 3 or sum(c < " " and c not in "\t\n\r\f" for c in text[:10_000]) > 20:
        raise Unreadable("its text is damaged (replacement or control characters): save it again as UTF-8")
    return text


def made(
    name: str, title: str, parts: Iterable[Part], publisher: str = "", year: int | None = None, url: str | None = None
) -> Document:
    """A document of the parts that have text. Raises Unreadable when none has, or when it is too long."""
    kept = tuple(Part(tidy(p.heading)[:160], tidy(p.text), p.page) for p in parts if tidy(p.text))
    if not kept:
        raise Unreadable("it holds no text")
    if sum(len(part.text) for part in kept) > MOST_TEXT:
        raise Unreadable(f"it is longer than {MOST_TEXT:,} characters: split it")
    return Document(name, tidy(title)[:200] or kept[0].text[:80], kept, publisher, year, url)


def tidy(text: str) -> str:
    """Runs of blanks as one; no blank between Chinese characters that a line break tore apart."""
    flat = re.sub(r"[\s\u00a0\u200b]+", " ", text).strip()
    return re.sub(r"(?<=[\u3400-\u9fff，。；：、）])\s(?=[\u3400-\u9fff（])", "", flat)


def year_in(text: str | None) -> int | None:
    """The first year from 1950 to 2100 that a text names."""
    found = re.search(r"\b(19[5-9]\d|20\d\d)", text or "")
    return int(found[1]) if found else None
