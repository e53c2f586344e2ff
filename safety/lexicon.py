"""The concepts of `knowledge/findings.yaml`, found in a message; and the mending of misspelt words towards them.

Only phrases whose necessary words are in the message are tried, so that thousands of them cost a millisecond or two.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from rapidfuzz.distance import OSA

from retrieval.types import LOCALES, Locale
from safety.phrases import compile_phrase, expand
from safety.policy_files import at, mapping, strings
from safety.types import PolicyError

_INFLECTIONS = ("", "s", "es", "ed", "d", "ing", "e", "y", "ly", "ness", "ion", "less", "lessness")
_AROUND = 50  # characters on either side of a match in which the words that give it another meaning are looked for


@dataclass(frozen=True, slots=True)
class Match:
    """A concept's phrase in the normalised text."""

    concept: str
    start: int
    end: int


@dataclass(slots=True)
class Phrase:
    """One phrase. It can only match where every set in `needs` has a member in the text, so most are never compiled."""

    concept: str
    source: str
    needs: tuple[frozenset[str], ...]
    _regex: re.Pattern[str] | None = None

    @property
    def regex(self) -> re.Pattern[str]:
        if self._regex is None:
            self._regex = re.compile(self.source)
        return self._regex


@dataclass(slots=True)
class Lexicon:
    """All phrases, found through the literals they need; plus the vocabulary for mending typos."""

    concepts: dict[str, "Concept"]
    traditional: Mapping[str, str]
    protected: frozenset[str]
    _index: dict[str, list[Phrase]] = field(default_factory=dict)
    _always: list[Phrase] = field(default_factory=list)
    _words: set[str] = field(default_factory=set)
    _stems: set[str] = field(default_factory=set)
    _deletes: dict[str, list[str]] = field(default_factory=dict)
    _mended: dict[str, str] = field(default_factory=dict)
    _unless: dict[str, re.Pattern[str]] = field(default_factory=dict)

    @classmethod
    def build(cls, data: Mapping[str, Any], where: str) -> "Lexicon":
        """Compiles a parsed findings file. Raises PolicyError naming file and line."""
        tables = {locale: word_lists(data, locale, where) for locale in LOCALES}
        traditional = dict(zip(data.get("traditional", ""), data.get("simplified", ""), strict=True))
        lexicon = cls({}, traditional, frozenset(strings(data, "protected", where)))
        lexicon.extend(mapping(data, "concepts", where), tables, where)
        lexicon._learn_typos()
        return lexicon

    def extend(self, specs: Mapping[str, Any], tables: Mapping[Locale, Mapping[str, str]], where: str) -> None:
        """Adds concepts; `tables` are the word lists. After `build`, words of theirs are known, but no word is mended to them."""
        for name, spec in specs.items():
            concept = Concept.read(name, spec, where)
            self.concepts[name] = concept
            if concept.unless:
                self._unless[name] = _one_of(concept.unless, tables)
            for locale, text in concept.phrases:
                self._add(concept, locale, text, tables[locale], where)

    def _add(self, concept: "Concept", locale: Locale, text: str, lists: Mapping[str, str], where: str) -> None:
        try:
            source, needs = compile_phrase(text, locale, lists)
            phrase = Phrase(concept.name, source, needs)
            if not needs and phrase.regex.search(""):
                raise PolicyError("it matches nothing at all; give it a word that must be there")
        except (PolicyError, re.error) as error:
            raise PolicyError(f"{where}:{concept.line}: concept {concept.name!r}: phrase {text!r}: {error}") from error
        if not needs:
            self._always.append(phrase)
            return
        for literal in min(needs, key=lambda literals: (len(literals), -min(map(len, literals)))):
            self._index.setdefault(literal, []).append(phrase)
        if locale == "en":
            self._learn(expand(text, lists))

    def _learn(self, text: str) -> None:
        words = re.findall(r"[a-z]+\*?", text)
        self._words.update(word for word in words if not word.endswith("*"))
        stems = {word[:-1] for word in words if word.endswith("*")}
        self._stems |= stems
        self._words.update(stem + ending for stem in stems for ending in _INFLECTIONS)

    def _learn_typos(self) -> None:
        for word in self._words:
            if len(word) >= 5:
                for key in _deletes(word, 2 if len(word) >= 9 else 1):
                    self._deletes.setdefault(key, []).append(word)

    def known(self, word: str) -> bool:
        """Whether a phrase uses this word."""
        return word in self._words

    def mend(self, word: str) -> str:
        """The vocabulary word that a misspelt one (5 letters or more) stands for, or the word itself."""
        if len(word) < 4 or word in self._words or word in self.protected:
            return word
        if word not in self._mended:
            if len(self._mended) > 20_000:
                self._mended.clear()
            self._mended[word] = self._mend(word)
        return self._mended[word]

    def _mend(self, word: str) -> str:
        single = re.sub(r"([a-z])\1", r"\1", word)
        if single in self._words and single != word:
            return single
        if len(word) < 5 or len(word) > 24 or any(len(stem) > 4 and word.startswith(stem) for stem in self._stems):
            return word
        limit = 2 if len(word) >= 9 else 1
        near = {w for key in _deletes(word, limit) for w in self._deletes.get(key, ())}
        scored = sorted((OSA.distance(word, w), w) for w in near if w[0] == word[0] and abs(len(w) - len(word)) <= limit)
        if not scored or scored[0][0] > limit or (len(word) == 5 and sorted(word) != sorted(scored[0][1])):
            return word  # five letters: only swapped letters are mended, other changes hit real words
        return scored[0][1]

    def find(self, text: str) -> list[Match]:
        """Every match of every phrase in normalised text, in text order; overlapping matches are all kept."""
        present = {literal for literal in self._index if literal in text}
        seen: dict[tuple[str, int, int], Match] = {}
        for phrase in chain(self._always, self._candidates(present, text)):
            for found in phrase.regex.finditer(text):
                key = (phrase.concept, *found.span())
                if key not in seen and not self._is_other_word(text, *key):
                    seen[key] = Match(*key)
        return sorted(seen.values(), key=lambda match: (match.start, match.end))

    def _is_other_word(self, text: str, concept: str, start: int, end: int) -> bool:
        """Whether the match leans on a word that only looks like it: the blood in "blood pressure"."""
        other = self._unless.get(concept)
        return other is not None and any(
            found.start() < end and found.end() > start
            for found in other.finditer(text, max(0, start - _AROUND), end + _AROUND)
        )

    def _candidates(self, present: set[str], text: str) -> Iterator[Phrase]:
        done: set[int] = set()
        for literal in present:
            for phrase in self._index[literal]:
                if id(phrase) not in done:
                    done.add(id(phrase))
                    if all(any(part in text for part in literals) for literals in phrase.needs):
                        yield phrase


@dataclass(frozen=True, slots=True)
class Concept:
    """Something a message can say, with its phrases. `vitals` are measured values that say the same."""

    name: str
    phrases: tuple[tuple[Locale, str], ...]
    vitals: tuple[str, ...]
    unless: tuple[str, ...]  # words that look like it but are not; a match that overlaps one does not count
    asserted: bool  # true as soon as it is said: not subject to negation, questions or the past
    head: str  # the head of safety.guard whose alarm says the same, or ""
    line: int

    @classmethod
    def read(cls, name: str, spec: Any, where: str) -> "Concept":
        line = at(spec)
        if not isinstance(spec, dict):
            raise PolicyError(f"{where}:{line}: concept {name!r} must be a mapping with en and zh, got {spec!r}")
        unknown = set(spec) - {"en", "zh", "vitals", "unless", "asserted", "head"}
        if unknown:
            raise PolicyError(f"{where}:{line}: concept {name!r} has unknown keys {sorted(unknown)!r}; remove them")
        phrases = tuple((locale, text) for locale in LOCALES for text in strings(spec, locale, where))
        vitals = tuple(strings(spec, "vitals", where))
        head = str(spec.get("head", ""))
        if not phrases and not vitals and not head:
            raise PolicyError(f"{where}:{line}: concept {name!r} has no phrases; add some under en and zh")
        return cls(name, phrases, vitals, tuple(strings(spec, "unless", where)), bool(spec.get("asserted", False)), head, line)


def word_lists(data: Mapping[str, Any], locale: Locale, where: str) -> dict[str, str]:
    """The lists under `words` of a findings file, each as one group of alternatives."""
    lists: dict[str, str] = {}
    for name, spec in mapping(data, "words", where).items():
        options = strings(spec, locale, where)
        if options:
            lists[name] = "(" + "|".join(expand(option, lists) for option in options) + ")"
    return lists


def _one_of(phrases: Iterable[str], tables: Mapping[Locale, Mapping[str, str]]) -> re.Pattern[str]:
    sources = []
    for phrase in phrases:
        english = phrase.isascii() and all(name in tables["en"] for name in re.findall(r"<(\w+)>", phrase))
        locale: Locale = "en" if english else "zh"
        sources.append(compile_phrase(phrase, locale, tables[locale])[0])
    return re.compile("|".join(sources))


def _deletes(word: str, depth: int) -> set[str]:
    found = {word}
    edge = {word}
    for _ in range(depth):
        edge = {w[:i] + w[i + 1 :] for w in edge for i in range(len(w))}
        found |= edge
    return found
