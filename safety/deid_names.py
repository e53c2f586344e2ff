"""Finds names, places and organisations that no list holds: a small convolution over words and Chinese characters.

The weights (`policy/deid_names.safetensors`) are made by `python -m finetune.deid`; its card is beside them. The net
reads hashed features of a token (spelling, shape, how common the word is) and of up to eight neighbours on each side.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

WEIGHTS = Path(__file__).parent / "policy" / "deid_names.safetensors"
BUCKETS = 1 << 16  # rows of the embedding that features are hashed into
KINDS = ("NAME", "LOCATION", "ORGANIZATION")
TAGS = ("O", *(f"{part}-{kind}" for kind in KINDS for part in "BI"))  # of each kind: first token, further tokens
DILATIONS = (1, 2, 4, 1)  # of the convolutions, three tokens wide each

BESIDE = 0.5  # share of the floor that a token needs beside one that reached it

_CJK = "\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}]+|\d+|\n|[^\w\s]|_")
_IS_CJK = re.compile(f"[{_CJK}]")
_LONGEST = 4  # characters of the longest Chinese word that is looked up

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a run of digits, a sign, a line break or one Chinese character."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NameSpan:
    """What the net takes for a name; `score` is the greatest probability of its tokens, 0 to 1."""

    start: int
    end: int
    kind: str
    score: float


def tokens(text: str) -> list[Token]:
    """The tokens in order; blanks belong to none."""
    return [Token(m[0], m.start(), m.end()) for m in _TOKEN.finditer(text)]


def features(found: Sequence[Token]) -> list[tuple[int, ...]]:
    """The hashed features of every token, in [0, BUCKETS); the first is the word itself."""
    spelled = [_pair(found, i) if _IS_CJK.match(t.text) else _spelling(t.text) for i, t in enumerate(found)]
    return [(*own, *words) for own, words in zip(spelled, _covering(found), strict=True)]


@lru_cache(maxsize=100_000)
def _hash(feature: str) -> int:
    return crc32(feature.encode()) % BUCKETS


@lru_cache(maxsize=50_000)
def _spelling(word: str) -> tuple[int, ...]:
    if word.isdigit():
        return (_hash(f"d{len(word)}"), _hash("digits"))
    if not word.isalpha():
        return (_hash(f"p{word}"), _hash("sign"))
    lower = word.lower()
    edged = f"^{lower}$"
    shape = "X" if len(word) == 1 and word.isupper() else "XX" if word.isupper() else "Xx" if word[0].isupper() else "xx"
    common = zipf("en", lower)
    parts = [
        f"w{lower}",
        f"s{shape}",
        f"s{shape}{common}",
        f"z{common}",
        f"l{min(len(word), 9)}",
        f"s{shape}{min(len(word), 4)}",
    ]
    parts += [f"<{lower[:n]}" for n in (2, 3, 4)] + [f">{lower[-n:]}" for n in (2, 3, 4)]
    parts += [f"t{edged[i : i + 3]}" for i in range(len(edged) - 2)]
    return tuple(_hash(part) for part in dict.fromkeys(parts))


def _pair(found: Sequence[Token], i: int) -> tuple[int, ...]:
    before, here = _beside(found, i - 1), found[i].text
    after, last = _beside(found, i + 1), _beside(found, i + 2)
    parts = (f"c{here}", f"a{here}{after}", f"b{before}{here}", f"m{before}{here}{after}", f"n{here}{after}{last}", "cjk")
    return tuple(_hash(part) for part in parts)


def _beside(found: Sequence[Token], i: int) -> str:
    return found[i].text if 0 <= i < len(found) else "#"


def _covering(found: Sequence[Token]) -> list[list[int]]:
    """For every Chinese character the common words it may be a part of: their length, its place in them, how common."""
    words: list[list[int]] = [[] for _ in found]
    for run in re.finditer(f"[{_CJK}]{{2,}}", "".join(t.text if len(t.text) == 1 else " " for t in found)):
        for start in range(*run.span()):
            for length in range(2, min(_LONGEST, run.end() - start) + 1):
                common = zipf("zh", "".join(t.text for t in found[start : start + length]))
                for place in range(length if common else 0):
                    words[start + place].append(_hash(f"k{length}{place}{common}"))
    return words


@lru_cache(maxsize=100_000)
def zipf(language: str, word: str) -> int:
    """How common a word is on the Zipf scale of `wordfreq`: 0 unknown, 1 rare, 7 the commonest."""
    from wordfreq import get_frequency_dict

    share = get_frequency_dict(language, "large").get(word, 0.0)
    return max(1, math.floor(math.log10(share) + 9)) if share else 0


class NameFinder:
    """The net, loaded once; `find` may be called from several threads."""

    def __init__(self, weights: dict[str, Floats], floors: dict[str, float]) -> None:
        self._weights = weights
        self.floors = floors

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> "NameFinder":
        """Reads the weights. Raises OSError when there are none: make them with `python -m finetune.deid`."""
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            weights: dict[str, Any] = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118  (it is no dict)
            floors = json.loads(file.metadata()["floors"])
        weights["embedding"] *= weights.pop("scale")[:, None]
        return cls(weights, floors)

    def find(self, text: str) -> list[NameSpan]:
        """The names in a text, in order, not overlapping."""
        found = tokens(text)
        return decode(found, self.probabilities(found), self.floors) if found else []

    def probabilities(self, found: Sequence[Token]) -> Floats:
        """Of every tag for every token: shape (tokens, len(TAGS)), rows sum to 1."""
        hashed = features(found)
        lengths = np.array([len(own) for own in hashed])
        flat = np.fromiter((one for own in hashed for one in own), dtype=np.int64, count=int(lengths.sum()))
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        hidden = np.add.reduceat(self._weights["embedding"][flat], starts) / np.sqrt(lengths)[:, None].astype(np.float32)
        for layer, reach in enumerate(DILATIONS):
            hidden = self._convolve(hidden, layer, reach)
        scores = hidden @ self._weights["out.weight"] + self._weights["out.bias"]
        raised = np.exp(scores - scores.max(1, keepdims=True))
        return np.asarray(raised / raised.sum(1, keepdims=True), dtype=np.float32)

    def _convolve(self, hidden: Floats, layer: int, reach: int) -> Floats:
        padded = np.pad(hidden, ((reach, reach), (0, 0)))
        count = len(hidden)
        near = np.concatenate([padded[:count], hidden, padded[2 * reach : 2 * reach + count]], axis=1)
        mixed = np.maximum(near @ self._weights[f"conv{layer}.weight"] + self._weights[f"conv{layer}.bias"], 0)
        return np.asarray(mixed if layer == 0 else hidden + mixed, dtype=np.float32)


def decode(found: Sequence[Token], probabilities: Floats, floors: dict[str, float]) -> list[NameSpan]:
    """Joins tokens to spans. A token belongs to its likeliest kind where that is at least `floors[kind]` likely.

    Beside such a token a part of the floor will do: the end of a name is often less sure than its beginning.
    """
    spans: list[NameSpan] = []
    last = -2
    either = probabilities[:, 1::2] + probabilities[:, 2::2]  # (tokens, kinds)
    chosen = _chosen(either, np.array([floors[kind] for kind in KINDS], dtype=np.float32))
    for i, k in enumerate(chosen):
        if k < 0:
            continue
        score, row = float(either[i, k]), probabilities[i]
        if row[1 + 2 * k] > row[2 + 2 * k] or last != i - 1 or spans[-1].kind != KINDS[k]:
            spans.append(NameSpan(found[i].start, found[i].end, KINDS[k], score))
        else:
            spans[-1] = NameSpan(spans[-1].start, found[i].end, KINDS[k], max(score, spans[-1].score))
        last = i
    return spans


def _chosen(either: Floats, floors: Floats) -> list[int]:
    """For every token the place of its kind in KINDS, or -1."""
    best = either.argmax(1)
    score = either[np.arange(len(best)), best]
    sure = [int(k) if s >= floors[k] else -1 for k, s in zip(best, score, strict=True)]
    for order in (range(1, len(sure)), range(len(sure) - 2, -1, -1)):
        step = -1 if order.step > 0 else 1
        for i in order:
            k = sure[i + step]
            if sure[i] < 0 <= k and either[i, k] >= BESIDE * floors[k]:
                sure[i] = k
    return sure
