"""Turns what a person typed into plain text that patterns can read, and remembers where each character came from."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

HEAD, TAIL = 8_000, 2_000  # characters that are read of a long message: the start, and the end

_APOSTROPHES = frozenset("'’‘`´ʼ＇")
_PUNCTUATION = {"“": '"', "”": '"', "—": ",", "–": "-", "…": ".", "、": "、", "。": "。", "\r": "\n", "\t": " "}
_CJK = re.compile(r"[\u3400-\u9fff]")
_CJK_SPACE = re.compile(r"(?<=[\u3400-\u9fff，、]) +|(?<=[a-z0-9%]) +(?=[\u3400-\u9fff])")
_CJK_REPEAT = re.compile(r"([\u3400-\u9fff])\1{2,}")
_LETTER_REPEAT = re.compile(r"([a-z])\1{2,}")
_LEET = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "$": "s", "@": "a", "!": "i", "*": ""})
_TOKEN = re.compile(r"[a-z0-9$@!*]*[a-z][a-z0-9$@!*]*")
_SPELLED_OUT = re.compile(r"(?<![a-z0-9])[a-z](?:[ .\-_*][a-z]){3,}(?![a-z0-9])")


@dataclass(frozen=True, slots=True)
class Normalised:
    """Lower-case text; character i stands for `original[starts[i]:ends[i]]`."""

    text: str
    original: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of `text[start:end]` (end exclusive, start < end)."""
        return self.starts[start], self.ends[end - 1]


def normalise(
    original: str,
    known: Callable[[str], bool] = lambda word: False,
    correct: Callable[[str], str] = lambda word: word,
    traditional: Mapping[str, str] | None = None,
) -> Normalised:
    """NFKC, lower case, no zero-width characters or apostrophes, simplified characters, leet and typos undone.

    `known` says whether a word belongs to the vocabulary, so that leet is only undone towards it; `correct` gives the
    vocabulary word that a misspelt one stands for. Only the first 8,000 and the last 2,000 characters are read.
    """
    chars, starts, ends = _characters(original, traditional or {})
    state = ("".join(chars), starts, ends)
    state = _rewrite(state, _CJK_SPACE, lambda match: "")
    state = _rewrite(state, _CJK_REPEAT, lambda match: match[1])
    state = _rewrite(state, _LETTER_REPEAT, lambda match: match[1] * 2)
    state = _rewrite(state, _SPELLED_OUT, lambda match: _joined(match[0], known))
    text, starts, ends = _rewrite(state, _TOKEN, lambda match: _token(match[0], known, correct))
    return Normalised(text, original, tuple(starts), tuple(ends))


def _characters(original: str, traditional: Mapping[str, str]) -> tuple[list[str], list[int], list[int]]:
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    indices = range(len(original))
    if len(original) > HEAD + TAIL:
        indices = [*range(HEAD), *range(len(original) - TAIL, len(original))]  # type: ignore[assignment]
    for index in indices:
        for char in _folded(original, index):
            chars.append(traditional.get(char, char))
            starts.append(index)
            ends.append(index + 1)
    return chars, starts, ends


def _folded(original: str, index: int) -> str:
    char = original[index]
    if char in _APOSTROPHES:
        return ""  # "can't" and "cant" read alike
    if char < "\x7f":
        return _PUNCTUATION.get(char, char.lower())
    if char in _PUNCTUATION:
        return _PUNCTUATION[char]
    if unicodedata.category(char) in ("Cf", "Mn", "Cc", "Cs"):
        return ""
    folded = unicodedata.normalize("NFKD" if char.isalpha() and not _CJK.match(char) else "NFKC", char).lower()
    return "".join(part for part in folded if part not in _APOSTROPHES and unicodedata.category(part) != "Mn")


State = tuple[str, list[int], list[int]]


def _rewrite(state: State, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]) -> State:
    """Replaces matches; every character of a replacement stands for the whole of what it replaced."""
    text, starts, ends = state
    out: list[str] = []
    new_starts: list[int] = []
    new_ends: list[int] = []
    last = 0
    for match in pattern.finditer(text):
        new = replace(match)
        if new == match[0]:
            continue
        begin, end = match.span()
        out += (text[last:begin], new)
        new_starts += starts[last:begin] + [starts[begin]] * len(new)
        new_ends += ends[last:begin] + [ends[end - 1]] * len(new)
        last = end
    if not last:
        return state
    return "".join((*out, text[last:])), new_starts + starts[last:], new_ends + ends[last:]


def _joined(spelled: str, known: Callable[[str], bool]) -> str:
    word = re.sub(r"[^a-z]", "", spelled)
    return word if known(word) else spelled


def _token(token: str, known: Callable[[str], bool], correct: Callable[[str], str]) -> str:
    if token.isalpha():
        return correct(token)
    plain = token.translate(_LEET)
    if plain.isalpha() and known(plain):
        return plain
    bare = token.rstrip("!*$@")
    return correct(bare) + token[len(bare) :] if bare.isalpha() else token
