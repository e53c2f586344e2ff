"""Health subjects without a guideline topic yet: a question about one is told so, not answered from a neighbour."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from retrieval.text import KNOWLEDGE, stem
from retrieval.types import KnowledgeError

_WORD = re.compile(r"[a-z0-9]+", re.I)
Names = dict[str, frozenset[str]]  # a name (English as stems) -> the words that mean a covered subject instead


@cache
def _names(path: Path = KNOWLEDGE / "uncovered.yaml") -> tuple[Names, int, int]:
    """The names, the most words of an English one and the most characters of a Chinese one."""
    names: Names = {}
    try:
        for row in yaml.safe_load(path.read_text("utf-8")):
            unless = frozenset(_stems(word) if word.isascii() else word for word in row.get("not", ()))
            names |= {_stems(name) if name.isascii() else name.lower(): unless for name in [*row["en"], *row["zh"]]}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise KnowledgeError(f"{path}: expected rows of {{en: [...], zh: [...], not: [...]}}; {error!r}") from error
    english, chinese = [n for n in names if n.isascii()], [n for n in names if not n.isascii()]
    return names, max(len(n.split()) for n in english), max(map(len, chinese))


def uncovered(question: str) -> str:
    """The words of the question that name a subject without a topic; the longest, "" when there is none."""
    names, most_words, most_characters = _names()
    words = list(_WORD.finditer(_plain(question)))
    stems = [stem(word.group().lower()) for word in words]
    said = f" {' '.join(stems)} {question}"
    found = [
        _plain(question)[words[i].start() : words[i + n - 1].end()]
        for i in range(len(words))
        for n in range(1, min(most_words, len(words) - i) + 1)
        if _means(names, " ".join(stems[i : i + n]), said)
    ]
    found += [
        question[i : i + n]
        for i in range(len(question))
        for n in range(1, min(most_characters, len(question) - i) + 1)
        if not question[i : i + n].isascii() and _means(names, question[i : i + n].lower(), said)
    ]
    return max(found, key=len, default="")


def _means(names: Names, name: str, said: str) -> bool:
    return name in names and not any(_says(said, word) for word in names[name])


def _says(said: str, word: str) -> bool:
    return f" {word} " in said if word.isascii() else word in said


def _stems(name: str) -> str:
    return " ".join(stem(word.lower()) for word in _WORD.findall(_plain(name)))


def _plain(text: str) -> str:
    return re.sub(r"(?<=[A-Za-z])['’](?=[a-z])", "", text)


def rows_clash(names: Iterable[str]) -> list[str]:
    """Those of the names that are also called uncovered."""
    known = _names()[0]
    return [name for name in names if (_stems(name) if name.isascii() else name.lower()) in known]
