"""Health subjects without a guideline topic yet: a question about one is told so, not answered from a neighbour."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from retrieval.text import KNOWLEDGE, stem
from retrieval.types import KnowledgeError


@dataclass(frozen=True, slots=True)
class _Row:
    pattern: re.Pattern[str]
    unless: re.Pattern[str]


@cache
def _rows(path: Path = KNOWLEDGE / "uncovered.yaml") -> tuple[_Row, ...]:
    try:
        return tuple(
            _Row(_pattern([*row["en"], *row["zh"]]), _pattern(row.get("not", ())))
            for row in yaml.safe_load(path.read_text("utf-8"))
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise KnowledgeError(f"{path}: expected rows of {{en: [...], zh: [...], not: [...]}}; {error!r}") from error


def uncovered(question: str) -> str:
    """The words of the question that name a subject without a topic; the longest, "" when there is none."""
    text = _stemmed(question)
    found = [m.group() for row in _rows() if (m := row.pattern.search(text)) and not row.unless.search(text)]
    return _as_written(question, max(found, key=len)) if found else ""


def _pattern(names: list[str] | tuple[str, ...]) -> re.Pattern[str]:
    stems = sorted({_stemmed(name).strip() for name in names}, key=len, reverse=True)
    parts = [rf"(?<![a-z0-9]){re.escape(s)}(?![a-z0-9])" if s.isascii() else re.escape(s) for s in stems]
    return re.compile("|".join(parts) or "(?!)")


def _stemmed(text: str) -> str:
    plain = re.sub(r"(?<=[a-z])['’](?=[a-z])", "", text.lower())
    return " ".join(stem(w) if w.isascii() else w for w in re.findall(r"[a-z0-9]+|[^\sa-z0-9]+", plain))


def _as_written(question: str, found: str) -> str:
    """The stretch of the question whose stems were found."""
    words = list(re.finditer(r"[A-Za-z0-9'’]+|[\u3400-\u9fff]+", question))
    if not found.isascii():
        return found
    size = len(found.split())
    for first in range(len(words) - size + 1):
        stretch = question[words[first].start() : words[first + size - 1].end()]
        if _stemmed(stretch) == found:
            return stretch
    return found
