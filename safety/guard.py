"""Trained heads beside the rules: harmful request, misuse of a clinician's position, injection, and outside health.

Each head is linear on hashed character and word n-grams together with a sentence vector: MiniLM's in English, in Chinese
the mean vector of the words' English glosses. Weights, thresholds and the policy's examples: `finetune/released/guard/`
(its README is the model card). Hidden writing (leet, spelled-out words, base64, rot13, look-alike letters) is read first.
"""

import base64
import binascii
import codecs
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import Embedder, MiniLM
from retrieval.text import is_chinese
from retrieval.types import LOCALES, Locale
from safety.types import PolicyError

Head = Literal["harmful", "misuse", "injection", "scope"]
HEADS: tuple[Head, ...] = ("harmful", "misuse", "injection", "scope")
RELEASED = Path(__file__).parent.parent / "finetune" / "released" / "guard"
READ = 4_000  # characters that are judged: the longest message the turn accepts
LONG, SENTENCE, LOOKED_AT = 160, 240, 2  # a longer text is read sentence by sentence too, the most suspect ones closely
EMBEDDED = 320  # characters that MiniLM reads: time grows with them, and a request is short
CHARACTERS, WORDS = 1 << 15, 1 << 14  # hash buckets
COMMON = 3.5  # zipf: a word that one in 300,000 words is
Array = NDArray[np.float32]

_LOOKALIKES = str.maketrans(  # Cyrillic, then Greek
    "аеорсухіјѕԁһкмтвгαορνικτευη",
    "aeopcyxijsdhkmtbraopviktevn",
)
_LEET = str.maketrans("013457@$!", "oieastasi")
_HAN = "[\u3400-\u9fff]"
_HAN_GAP = re.compile(rf"(?<={_HAN})[\s\-_.*·|/~]+(?={_HAN}(?:[\s\-_.*·|/~]|$))")
_SPELLED = re.compile(r"(?<![a-z0-9])(?:[a-z@$!][ .\-_*]){3,}[a-z@$!](?![a-z0-9])")
_BLOB = re.compile(
    r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/=])|(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){8,}(?![0-9a-fA-F])"
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the heads say of one text. Scores are calibrated probabilities, 0..1."""

    scores: dict[Head, float]
    stops: tuple[Head, ...]  # the heads that are above their threshold, in the order of HEADS
    category: str  # the likeliest category of harm, one that replies.yaml knows
    nearest: str  # the policy's example that is nearest to the text


def readable(text: str) -> str:
    """The text as a person would read it: folded forms, look-alike letters, blobs decoded, spelling tricks undone."""
    plain = _HAN_GAP.sub("", _folded(_BLOB.sub(lambda blob: _decoded(blob[0]), text[: 2 * READ])))[:READ]
    best = _unleet(_SPELLED.sub(lambda word: re.sub(r"[ .\-_*]", "", word[0]), plain))
    for other in (codecs.encode(best, "rot13"), best[::-1]):
        if _known(other) >= 2 and _known(other) > 2 * _known(best):
            best = other
    return re.sub(r"\s+", " ", best).strip()


def _folded(text: str) -> str:
    out = []
    for char in unicodedata.normalize("NFKC", text).lower():
        kind = unicodedata.category(char)
        if kind in ("Cf", "Mn", "Cs", "Co") or (kind == "Cc" and char not in "\n\t"):
            continue
        out.append(" " if kind == "So" else char)
    folded = "".join(out).replace("’", "'")
    return re.sub(r"[^\W\d_]+", lambda word: _latin(word[0]), folded)


def _latin(word: str) -> str:
    """Look-alike letters of other alphabets, where all of a word's letters then are Latin."""
    latin = word.translate(_LOOKALIKES)
    return latin if latin.isascii() else word


def _decoded(blob: str) -> str:
    for decode in (base64.b64decode, binascii.unhexlify):
        try:
            text = decode(blob + "=" * (-len(blob) % 4) if decode is base64.b64decode else blob).decode("utf-8")
        except ValueError:
            continue
        if text.isprintable():
            return text
    return blob


def _unleet(text: str) -> str:
    """Digits and signs as the letters they stand for, where that makes a common word: b12 and h1n1 stay."""
    return re.sub(r"[a-z0-9@$!]*[a-z][a-z0-9@$!]*", lambda word: _letters(word[0]), text)


def _letters(word: str) -> str:
    if word.isalpha():
        return word
    end = len(word.rstrip("!"))
    letters = word[:end].translate(_LEET) + word[end:]
    return letters if _known(letters[:end]) and end > 2 else word


def _known(text: str) -> int:
    """How many words of three letters or more are common English."""
    from wordfreq import zipf_frequency

    return sum(zipf_frequency(word, "en") >= COMMON for word in re.findall(r"(?<![a-z0-9])[a-z]{3,}(?![a-z0-9])", text)[:200])


@cache
def _vectorisers(locale: Locale) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer

    form = {"binary": True, "alternate_sign": False, "norm": "l2", "lowercase": False, "dtype": np.float32}
    if locale == "zh":
        return (
            HashingVectorizer(analyzer="char", ngram_range=(1, 3), n_features=CHARACTERS, **form),
            HashingVectorizer(analyzer="char", ngram_range=(4, 4), n_features=WORDS, **form),
        )
    return (
        HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=CHARACTERS, **form),
        HashingVectorizer(analyzer="word", ngram_range=(1, 2), n_features=WORDS, **form, **{"token_pattern": r"[a-z0-9']+"}),
    )


def ngrams(texts: Sequence[str], locale: Locale) -> Any:
    """Hashed n-grams of readable texts, a sparse matrix of shape (len(texts), CHARACTERS + WORDS)."""
    from scipy.sparse import hstack  # type: ignore[import-untyped]

    return hstack([v.transform(texts) for v in _vectorisers(locale)], format="csr")


@cache
def _glosses(path: Path = RELEASED / "glosses.tsv") -> dict[str, str]:
    try:
        rows = [line.split("\t") for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
        return {word: english for word, english, *_ in rows}
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: expected lines of word, tab, gloss; {error!r}") from error


def glossed(text: str) -> str:
    """A Chinese text word for word in English: rough, but MiniLM can tell what it is about."""
    from wordfreq import tokenize

    glosses, out = _glosses(), []
    for token in tokenize(text, "zh"):
        at = 0
        while at < len(token):
            size = next((n for n in range(len(token) - at, 0, -1) if token[at : at + n] in glosses), 0)
            out.append(glosses[token[at : at + size]] if size else token[at:] if token[at:].isascii() else "")
            at += size or (len(token) if token[at:].isascii() else 1)
    return " ".join(" ".join(out).split())


def embedded(embedder: Embedder, texts: Sequence[str], locale: Locale) -> Array:
    """Unit vectors of readable texts, shape (len(texts), 384): of the start and the end where a text is long."""
    english = [glossed(text) if locale == "zh" else text for text in texts]
    half = EMBEDDED // 2
    return embedder.embed([t if len(t) <= EMBEDDED else f"{t[:half]} {t[-half:]}" for t in english])


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of one language: rows of HEADS, then of the categories."""

    ngrams: Array  # (heads + categories, CHARACTERS + WORDS)
    dense: Array  # (heads + categories, 384)
    bias: Array  # (heads + categories,)
    calibration: Array  # (heads, 2): slope and offset of Platt's sigmoid
    thresholds: dict[str, float]  # of each head, and "sure": of harm in a text that is outside health anyway

    def logits(self, texts: Sequence[str], vectors: Array, locale: Locale) -> Array:
        """Shape (len(texts), heads + categories)."""
        hashed = np.asarray(ngrams(texts, locale) @ self.ngrams.T)
        return np.asarray(hashed + vectors @ self.dense.T + self.bias, np.float32)

    def probabilities(self, logits: Array) -> Array:
        """Calibrated, shape (len(texts), heads)."""
        slope, offset = self.calibration.T
        return np.asarray(1.0 / (1.0 + np.exp(-(logits[:, : len(HEADS)] * slope + offset))), np.float32)


class Guard:
    """Judges texts with the released heads, which it reads when it is first asked. Safe for concurrent turns."""

    def __init__(self, embedder: Embedder | None = None, folder: Path = RELEASED) -> None:
        self._embedder, self._folder = embedder, folder

    def judge(self, text: str, locale: Locale) -> Judgement:
        """What the heads say; a text in both languages is read in each. Raises PolicyError when the weights are not there."""
        read = readable(text)
        judged = [self._judge(part, language) for language, part in parts(read, locale)]
        first = judged[0]
        scores = {head: max(j.scores[head] for j in judged) for head in HEADS} | {"scope": first.scores["scope"]}
        stops = tuple(head for head in HEADS if any(head in j.stops for j in (judged if head != "scope" else judged[:1])))
        worst = max(judged, key=lambda j: max(j.scores[head] for head in HEADS[:3]))
        return Judgement(scores, stops, worst.category, worst.nearest)

    def _judge(self, text: str, locale: Locale) -> Judgement:
        heads, windows = self._heads[locale], [text, *self._suspect(text, locale)]
        vectors = embedded(self._minilm, windows, locale)
        logits = heads.logits(windows, vectors, locale)
        probabilities = heads.probabilities(logits)
        scores: dict[Head, float] = dict(zip(HEADS, map(float, probabilities[0]), strict=True))
        scores["injection"] = float(probabilities[:, HEADS.index("injection")].max())
        category = self._categories[int(logits[0, len(HEADS) :].argmax())]
        nearest = self._examples[int((self._example_vectors @ vectors[0]).argmax())]
        return Judgement(scores, stopped(scores, heads.thresholds), category, nearest)

    def _suspect(self, text: str, locale: Locale) -> list[str]:
        """The sentences of a longer text that look most like an injection by their n-grams alone."""
        if len(text) <= LONG:
            return []
        found = [piece for sentence in re.split(r"(?<=[.!?;:])\s|(?<=[。！？；：])", text) for piece in wrapped(sentence)]
        row = self._heads[locale].ngrams[HEADS.index("injection")]
        order = np.argsort(-np.asarray(ngrams(found, locale) @ row))
        return [found[n] for n in order[:LOOKED_AT]]

    @cached_property
    def _minilm(self) -> Embedder:
        return self._embedder or MiniLM()

    @cached_property
    def _tensors(self) -> dict[str, Any]:
        from safetensors.numpy import load_file

        path = self._folder / "guard.safetensors"
        try:
            return {name: np.asarray(t, np.float32) for name, t in load_file(path).items()}
        except (OSError, ValueError) as error:
            raise PolicyError(f"{path}: {error!r}; make it with `python -m finetune.guard`") from error

    @cached_property
    def _card(self) -> dict[str, Any]:
        path = self._folder / "guard.json"
        try:
            card: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PolicyError(f"{path}: {error!r}; make it with `python -m finetune.guard`") from error
        return card

    @cached_property
    def _heads(self) -> dict[Locale, Heads]:
        t, thresholds = self._tensors, self._card["thresholds"]
        return {
            locale: Heads(
                t[f"{locale}.ngrams"], t[f"{locale}.dense"], t[f"{locale}.bias"], t[f"{locale}.calibration"], thresholds[locale]
            )
            for locale in LOCALES
        }

    @cached_property
    def _categories(self) -> list[str]:
        return [str(category) for category in self._card["categories"]]

    @cached_property
    def _examples(self) -> list[str]:
        return [str(example) for example in self._card["examples"]]

    @cached_property
    def _example_vectors(self) -> Array:
        return np.asarray(self._tensors["examples"], np.float32)


def stopped(scores: dict[Head, float], thresholds: dict[str, float]) -> tuple[Head, ...]:
    """The heads that stop. Outside health the turn ends anyway, kindly: to call it harmful there, harm must be sure."""
    outside = scores["scope"] >= thresholds["scope"]
    limits = {**thresholds, **({"harmful": thresholds["sure"], "misuse": thresholds["sure"]} if outside else {})}
    return tuple(head for head in HEADS if scores[head] >= limits[head])


def wrapped(sentence: str) -> list[str]:
    """Pieces of at most SENTENCE characters."""
    return [sentence[at : at + SENTENCE] for at in range(0, max(1, len(sentence)), SENTENCE)]


def parts(text: str, locale: Locale) -> list[tuple[Locale, str]]:
    """The text with its language; where both carry words, the English ones once more by themselves."""
    if not re.search(_HAN, text):
        return [("en", text) if re.search("[a-z]", text) else (locale, text)]
    english: tuple[Locale, str] = ("en", " ".join(re.findall(r"[a-z0-9' ,.]+", text)))
    if is_chinese(text):
        return [("zh", text), *([english] if len(re.findall("[a-z]{2,}", english[1])) >= 4 else [])]
    return [english, ("zh", "".join(re.findall(f"{_HAN}|[，。？！]", text)))]
