"""Words as search and checking see them: stems in English, segmented words in Chinese, lay words folded into one."""

import logging
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from retrieval.types import KnowledgeError, Locale

KNOWLEDGE = Path(__file__).parent.parent / "knowledge"
_RUN = re.compile(r"[\u3400-\u9fff]+|[^\u3400-\u9fff]+")
_ENGLISH = re.compile(r"[a-z][a-z0-9]*|\d+(?:[.,]\d+)*")
_HAN = re.compile(r"[\u3400-\u9fff]")
FOLDED = "x_"  # marks a word that stands for a group of synonyms
_NO_SYNONYMS: tuple[dict[str, str], int, int] = ({}, 0, 0)
SENTENCE_END = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+(?=[A-Z\"'(\u3400-\u9fff])|\n+")


def is_chinese(text: str) -> bool:
    """Whether Chinese characters carry the text (a single Latin name does not change that)."""
    han = len(_HAN.findall(text))
    return han > 0 and han * 2 >= len(re.findall(r"[a-z]+", text, re.I))


@cache
def _jieba() -> Any:
    import jieba  # loads its dictionary on first use

    jieba.setLogLevel(logging.ERROR)
    jieba.initialize()
    return jieba


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


@cache
def _stop_words(path: Path = KNOWLEDGE / "stop_words.yaml") -> frozenset[str]:
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))
        return frozenset([*rows["en"].split(), *rows["zh"].split()])
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise KnowledgeError(f"{path}: expected `en:` and `zh:`, words between spaces; {error!r}") from error


@cache
def _synonyms(path: Path = KNOWLEDGE / "synonyms.yaml") -> tuple[dict[str, str], int, int]:
    """The folded word of each phrase (English as stems), the most words and the most Chinese characters of a phrase."""
    folded: dict[str, str] = {}
    try:
        for row in yaml.safe_load(path.read_text("utf-8")):
            word = FOLDED + row["id"].replace("-", "_")
            folded |= {" ".join(stem(w) for w in _ENGLISH.findall(phrase.lower())): word for phrase in row.get("en") or ()}
            folded |= dict.fromkeys((name.lower() for name in row.get("zh") or ()), word)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise KnowledgeError(f"{path}: expected rows of {{id, en: [...], zh: [...]}}; {error!r}") from error
    words = max((len(p.split()) for p in folded if p.isascii()), default=0)
    return folded, words, max((len(p) for p in folded if not p.isascii()), default=0)


def teach_words(words: Iterable[str]) -> None:
    """Tell the Chinese segmenter the names that topics use, so that it does not cut them in two."""
    for word in words:
        if _HAN.search(word):
            _jieba().add_word(word, freq=None)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The English stem of one lower-case word."""
    return str(_stemmer().stemWord(word))


def _tokens(text: str, fold: bool) -> list[tuple[str, float]]:
    """The words of a text in reading order with the weight of each, stop words left out; `fold` folds synonyms."""
    plain = re.sub(r"(?<=[a-z])['’](?=[a-z])", "", text.lower())
    out: list[tuple[str, float]] = []
    for run in _mixed().split(plain) if fold else [plain]:
        if fold and run in _synonyms()[0] and not run.isascii() and _ENGLISH.search(run):
            out.append((_synonyms()[0][run], 0.8))  # 维生素d, 1型糖尿病: names in two scripts, on no frequency list
            continue
        for part in _RUN.findall(run):
            out += _chinese(part, fold) if _HAN.match(part) else _english(_ENGLISH.findall(part), fold)
    stop = _stop_words()
    return [(word, w) for word, w in out if word not in stop]


@cache
def _mixed() -> re.Pattern[str]:
    """The synonyms that mix Chinese characters with Latin letters or digits, for splitting a text at them."""
    names = [name for name in _synonyms()[0] if not name.isascii() and _ENGLISH.search(name)]
    return (
        re.compile("(" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + ")") if names else re.compile("(?!)")
    )


def _english(words: list[str], fold: bool) -> list[tuple[str, float]]:
    """Stems; the longest phrase that is a synonym becomes its folded word."""
    folded, most, _ = _synonyms() if fold else _NO_SYNONYMS
    stems = [stem(word) if word[0].isalpha() else word for word in words]
    out: list[tuple[str, float]] = []
    at = 0
    while at < len(stems):
        size = next((n for n in range(min(most, len(stems) - at), 0, -1) if " ".join(stems[at : at + n]) in folded), 0)
        if size:
            heaviest = max(weight(word, "en") for word in words[at : at + size])
            out.append((folded[" ".join(stems[at : at + size])], min(1.0, heaviest + 0.1 * (size - 1))))
        else:
            out.append((stems[at], weight(words[at], "en")))
        at += size or 1
    return out


def _chinese(run: str, fold: bool) -> list[tuple[str, float]]:
    """Words; the longest stretch that is a synonym becomes its folded word, the rest is segmented."""
    folded, _, most = _synonyms() if fold else _NO_SYNONYMS
    out: list[tuple[str, float]] = []
    at = start = 0
    while at < len(run):
        size = next((n for n in range(min(most, len(run) - at), 0, -1) if run[at : at + n] in folded), 0)
        if size:
            out += _segmented(run[start:at])
            out.append((folded[run[at : at + size]], weight(run[at : at + size], "zh")))
            start = at + size
        at += size or 1
    return out + _segmented(run[start:])


def _segmented(run: str) -> list[tuple[str, float]]:
    apart = re.sub("[吃喝]", r" \g<0> ", run)  # else 喝啤酒 (to drink beer) is one word and beer is not found
    return [(word, weight(word, "zh")) for word in _jieba().cut(apart, HMM=False) if word.strip()] if run else []


@lru_cache(maxsize=8_192)
def terms(text: str, fold: bool = True) -> tuple[str, ...]:
    """The search terms of a text in reading order: English stems, Chinese words, numbers, folded synonyms."""
    return tuple(word for word, _ in _tokens(text, fold))


@lru_cache(maxsize=8_192)
def weighted_terms(text: str, fold: bool = False) -> dict[str, float]:
    """The terms of a text, each with how much it says about the subject (0..1)."""
    out: dict[str, float] = {}
    for word, value in _tokens(text, fold):
        out[word] = max(out.get(word, 0.0), value)
    return out


@lru_cache(maxsize=50_000)
def weight(word: str, locale: Locale) -> float:
    """How much an unstemmed word says about the subject: 0 for everyday words, 1 for words no one uses.

    From the Zipf frequency of the `wordfreq` lists (8 = the commonest word, 0 = unknown).
    """
    from wordfreq import zipf_frequency

    if word[0].isdigit():
        return 0.1
    if locale == "zh":
        _jieba()  # wordfreq segments with it too: this keeps it from logging
    return min(1.0, max(0.0, (6.0 - float(zipf_frequency(word, locale, wordlist="small"))) / 4.0))


def sentences(text: str) -> list[str]:
    """Splits prose into sentences, in both languages. A decimal point does not end one; labels after it belong to it."""
    return [part.strip() for part in split_sentences(text) if part.strip()]


def split_sentences(text: str) -> list[str]:
    """As `sentences`, but the last part is as it stands, so that a text that still grows can be added to it."""
    tidy = re.sub(r"([.!?。！？])\s*((?:\[[ER]\d+\]\s*)+)", lambda m: f" {m[2].strip()}{m[1]} ", text)
    return [part or "" for part in SENTENCE_END.split(tidy)]
