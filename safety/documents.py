"""Whether a document holds words meant for the machine that reads it: a hidden instruction, which must not reach a turn."""

import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Protocol

import yaml

from retrieval.text import sentences
from retrieval.types import Locale
from safety.guard import Judgement
from safety.rails import Rule, forms, load_rules
from safety.replies import POLICY
from safety.types import PolicyError

INVISIBLE = 12  # characters that nobody sees, beyond what writing needs, from which a text hides something
STRETCH = 3_000  # characters that the rules read at a time
LONGEST = 700  # characters that are judged at a time
WITH = 1  # neighbours of a sentence that are judged along with it


class Judge(Protocol):
    """safety.guard.Guard."""

    def judge(self, text: str, locale: Locale) -> Judgement: ...


def hidden_instruction(text: str, locale: Locale, guard: Judge) -> str:
    """Why a text must not be taken in, "" when it may. Raises PolicyError when the policy cannot be read."""
    if (hidden := _invisible(text)) >= INVISIBLE:
        return f"{hidden} invisible characters"
    for start in range(0, len(text), STRETCH - 200):
        for form in forms(text[start : start + STRETCH]):
            for rule in _rules():
                if found := rule.pattern.search(form):
                    return f"rule {rule.id}: {found.group()[:80]!r}"
    said = sentences(text)
    addressed = _addressed()
    for at, sentence in enumerate(said):
        if addressed.search(sentence.lower()):
            around = " ".join(said[max(0, at - WITH) : at + WITH + 1])
            if any("injection" in guard.judge(one[:LONGEST], locale).stops for one in (sentence, around)):
                return f"head injection: {sentence[:80]!r}"
    return ""


@cache
def _rules() -> list[Rule]:
    return load_rules()["injection"]


@cache
def _addressed(path: Path = POLICY / "documents.yaml") -> re.Pattern[str]:
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))["addressed"]
        return re.compile("|".join(f"(?:{pattern})" for pattern in [*rows["en"], *rows["zh"]]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, re.error) as error:
        raise PolicyError(f"{path}: {error!r}; see the comments at its top for the form") from error


def _invisible(text: str) -> int:
    """Format, tag and private characters; soft hyphens, joiners of scripts and byte order marks are part of writing."""
    return sum(unicodedata.category(c) in ("Cf", "Co") and c not in "\u00ad\u200c\u200d\ufeff\u200b" for c in text) + (
        text.count("\u200b") // 20
    )
