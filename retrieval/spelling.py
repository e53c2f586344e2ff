"""Mends misspelt words of a question, towards the words that the guidelines use."""

import re
from collections.abc import Iterable

from retrieval.text import stem, weight

SHORTEST = 5  # letters; shorter words have too many neighbours
UNKNOWN = 1.0  # a weight that only words have which are on no frequency list


class Speller:
    """Knows the stems of the guidelines; leaves every word alone that people do use."""

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._known = frozenset(vocabulary)
        self._words = sorted(w for w in self._known if w.isascii() and w.isalpha() and len(w) >= SHORTEST)

    def mend(self, question: str) -> str:
        """The question with each unknown word replaced by the nearest known stem: one edit, two in words of 8 letters."""
        return re.sub(r"[A-Za-z]+", lambda m: self._nearest(m.group()), question)

    def _nearest(self, word: str) -> str:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        root = stem(word.lower())
        if len(word) < SHORTEST or root in self._known or weight(word.lower(), "en") < UNKNOWN:
            return word
        found = process.extractOne(root, self._words, scorer=OSA.distance, score_cutoff=1 if len(word) < 8 else 2)
        return str(found[0]) if found else word
