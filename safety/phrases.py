"""The phrase language of `knowledge/findings.yaml`: what is written there, compiled to regular expressions.

Phrases: `word`, `stem*`, `(a|b c)` one of, `(a)?` maybe, `<list>` a word list, `#` a number, `..` up to 3 words (4
characters in Chinese) between, `...` up to 6 words (12 characters), `a ~ b` both, in either order, up to 4 words (8
characters) apart. A gap never crosses the end of a sentence, nor a negation. Every gap is bounded, so no message can
make matching slow.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import chain

from retrieval.types import Locale
from safety.types import PolicyError

_NUMBER = {
    "en": r"(?:\d+(?:\.\d+)?|a|an|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|half|several|few)",
    "zh": r"(?:\d+(?:\.\d+)?|[一二三四五六七八九十两半几百]+)",
}
_SEP = r"[^a-z0-9.!?;\n]{1,3}"
_WORD = r"(?!(?:not|no|never|without|dont|doesnt|isnt|didnt|nor|arent|wasnt)(?![a-z]))[a-z0-9]+(?:\.\d+)?"
_GAP = {
    "en": {"..": f"{_SEP}(?:{_WORD}{_SEP}){{0,3}}?", "...": f"{_SEP}(?:{_WORD}{_SEP}){{0,6}}?"},
    "zh": {"..": r"[^。!?;\n不没无未]{0,4}?", "...": r"[^。!?;\n不没无未]{0,12}?"},
}
_NEAR = {"en": f"{_SEP}(?:{_WORD}{_SEP}){{0,4}}?", "zh": r"[^。!?;\n不没无未]{0,8}?"}
_LEX = re.compile(r"<(\w+)>|\.\.\.|\.\.|\d+\.\d+|[()|~?#]|[^<>()|~?#.\s]+|\s+|(.)")


def expand(text: str, lists: Mapping[str, str]) -> str:
    """Puts the word lists in the place of their names. Raises PolicyError for an unknown one."""
    for name in re.findall(r"<(\w+)>", text):
        if name not in lists:
            raise PolicyError(f"word list <{name}> is not defined above its use; define it under words")
        text = text.replace(f"<{name}>", lists[name])
    return text


def compile_phrase(text: str, locale: Locale, lists: Mapping[str, str]) -> tuple[str, tuple[frozenset[str], ...]]:
    """A phrase's regular expression, and the sets of literals of which each must have a member in the text."""
    sides = [_Parser(side, locale) for side in _split_near(expand(text, lists))]
    sources = [side.sequence() for side in sides]
    needs = tuple(chain.from_iterable(side.needs() for side in sides))
    if len(sources) == 1:
        return _bounded(sources[0], locale), needs
    if len(sources) != 2:
        raise PolicyError("only one ~ may stand in a phrase")
    first, second = sources
    both = f"(?:{first}{_NEAR[locale]}{second}|{second}{_NEAR[locale]}{first})"
    return _bounded(both, locale), needs


def _split_near(text: str) -> list[str]:
    if re.search(r"\([^)]*~", text):
        raise PolicyError("~ may not stand inside brackets")
    return text.split("~")


def _bounded(source: str, locale: Locale) -> str:
    return source if locale == "zh" else f"(?<![a-z0-9]){source}(?![a-z0-9])"


class _Parser:
    """Recursive descent over one side of a phrase."""

    def __init__(self, text: str, locale: Locale) -> None:
        self.locale = locale
        self.tokens = [m[0].strip() for m in _LEX.finditer(text) if m[0].strip()]
        if not self.tokens:
            raise PolicyError("a phrase, or one side of ~, is empty")
        self.position = 0
        self.required: list[frozenset[str] | None] = []

    def needs(self) -> Iterable[frozenset[str]]:
        return (literals for literals in self.required if literals)

    def sequence(self) -> str:
        source, self.required = self._sequence()
        if self.position != len(self.tokens):
            raise PolicyError(f"unexpected {self.tokens[self.position]!r}; check the brackets")
        return source

    def _sequence(self) -> tuple[str, list[frozenset[str] | None]]:
        join = _SEP if self.locale == "en" else ""
        source, pending, needs, started = "", "", list[frozenset[str] | None](), False
        while self.position < len(self.tokens) and self.tokens[self.position] not in "|)":
            token = self.tokens[self.position]
            if token in ("..", "..."):
                self.position += 1
                pending = _GAP[self.locale][token]
                continue
            item, literals = self._item()
            glue = pending if started else ""
            if self.position < len(self.tokens) and self.tokens[self.position] == "?":
                self.position += 1
                source += f"(?:{glue}{item})?" if started else f"(?:{item}{join})?"
                pending = join if started else ""
                continue
            source += glue + item
            started, pending = True, join
            needs.append(literals)
        return source, needs

    def _item(self) -> tuple[str, frozenset[str] | None]:
        token = self.tokens[self.position]
        self.position += 1
        if token == "(":
            return self._group()
        if token == "#":
            return _NUMBER[self.locale], None
        if token in ")|?~" or not token:
            raise PolicyError(f"unexpected {token!r}; check the brackets")
        stem = token.endswith("*")
        literal = token.rstrip("*").replace("'", "")
        source = re.escape(literal) + (r"[a-z]*" if stem else "")
        return _bounded(source, "en") if literal.isascii() else source, frozenset((literal,))

    def _group(self) -> tuple[str, frozenset[str] | None]:
        sources: list[str] = []
        literals: set[str] | None = set()
        while True:
            source, needs = self._sequence()
            if not source:
                raise PolicyError("an alternative is empty; use (a)? for something optional")
            sources.append(source)
            best = max((n for n in needs if n), key=lambda n: min(map(len, n)), default=None)
            literals = literals | best if literals is not None and best else None
            if self.position >= len(self.tokens):
                raise PolicyError("a bracket is not closed")
            self.position += 1
            if self.tokens[self.position - 1] == ")":
                return f"(?:{'|'.join(sources)})", frozenset(literals) if literals else None
