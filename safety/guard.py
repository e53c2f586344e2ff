"""Trained heads beside the rules: emergency, crisis, acuity; harmful request, misuse of a clinician's position, injection, scope.

The heads are linear on the vectors of the two encoders of `safety.encoders`; their logits are added up. Weights and thresholds: `finetune/released/guard/` (its README is the
model card; `python -m finetune.guard` makes them).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.e5 import unscaled
from retrieval.encoder_zh import ChineseEncoder
from retrieval.types import Locale
from safety.encoders import SENTENCE, ConvolutionEncoder, TransformerEncoder
from safety.readable import parts, readable
from safety.types import Disposition, PolicyError

Head = Literal["emergency", "crisis", "harmful", "misuse", "injection", "scope"]
HEADS: tuple[Head, ...] = ("emergency", "crisis", "harmful", "misuse", "injection", "scope")
STOPPING: tuple[Head, ...] = ("harmful", "misuse", "injection", "scope")  # the red flags look at the first two
ACUITY: tuple[Disposition | Literal["question"], ...] = ("emergency", "urgent", "routine", "self_care", "question")
CATEGORIES = (
    "self_harm", "violence", "weapons", "illicit_drugs", "privacy", "professional_misuse", "sexual_abuse", "hate", "fraud",
    "malware", "disinformation",
)  # fmt: skip
RELEASED = Path(__file__).parent.parent / "finetune" / "released" / "guard"
WINDOW = 360  # characters of a window of a longer text
VETO = (
    -3.0
)  # logit of the convolutions below which they are sure that nothing is urgent: then the other encoder raises no alarm alone
SECOND = 0.5  # weight of the convolutions' logits beside those of the transformer
REACH: dict[Locale, int] = {"en": 900, "zh": 380}  # characters that an encoder reads as one; parts without their story alarm
LEAST: dict[Locale, int] = {"en": 4, "zh": 6}  # words, or Han characters, below which a text tells no story
_WORD = re.compile(r"[\u3400-\u9fff]|[a-z0-9']+")
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the heads say of one text. Scores are calibrated probabilities, 0..1."""

    scores: dict[Head, float]
    stops: tuple[Head, ...] = ()  # of STOPPING, those above their threshold
    alarms: tuple[Head, ...] = ()  # of emergency and crisis, those above their threshold
    category: str = ""  # the likeliest category of harm, one that replies.yaml knows
    nearest: str = ""  # the policy's example that is nearest to the text
    acuity: Mapping[str, float] = field(default_factory=dict)  # of ACUITY, adding up to 1
    passage: str = ""  # the part of a longer text that an alarm rests on
    brief: bool = False  # too few words to judge how urgent it is: no alarm is raised


@dataclass(frozen=True, slots=True)
class Heads:
    """Linear heads in the order HEADS, ACUITY, CATEGORIES; `calibration` is Platt's slope and offset of each of HEADS."""

    transformer: Array  # (outputs, SIZE + 1), the last column is the bias
    convolution: Array  # (outputs, CONVOLUTION_SIZE + 1)
    calibration: Mapping[Locale, Array]  # (heads, 2)
    thresholds: Mapping[Locale, Mapping[str, float]]

    def logits(self, transformer: Array, convolution: Array) -> Array:
        """Of the two encoders' vectors, shape (texts, outputs)."""
        one = transformer @ self.transformer[:, :-1].T + self.transformer[:, -1]
        other = convolution @ self.convolution[:, :-1].T + self.convolution[:, -1]
        return np.asarray(one + SECOND * other, np.float32)

    def denied(self, convolution: Array) -> tuple[Head, ...]:
        """Emergency, where the convolutions' logit of every text is below VETO."""
        own = convolution @ self.convolution[0, :-1] + self.convolution[0, -1]
        return ("emergency",) if float(own.max()) < VETO else ()

    def probabilities(self, logits: Array, locale: Locale) -> Array:
        """Calibrated, shape (texts, heads)."""
        slope, offset = self.calibration[locale].T
        return np.asarray(1.0 / (1.0 + np.exp(-(logits[:, : len(HEADS)] * slope + offset))), np.float32)


class Guard:
    """Judges texts with the released weights, which it reads when it is first asked. Safe for concurrent turns."""

    def __init__(self, pieces: ChineseEncoder | None = None, folder: Path = RELEASED) -> None:
        self._pieces, self._folder = pieces or ChineseEncoder(), folder
        self._latest: tuple[str, Locale, Judgement] | None = None

    def judge(self, text: str, locale: Locale) -> Judgement:
        """What the heads say; a text in both languages is read in each. Raises PolicyError when the weights are not there.

        Red flags, rails and interview of a turn ask about the same text one after the other: the latest answer is kept.
        """
        latest = self._latest
        if latest is None or latest[:2] != (text, locale):
            latest = self._latest = (text, locale, self._whole(text, locale))
        return latest[2]

    def _whole(self, text: str, locale: Locale) -> Judgement:
        judged = [self._judge(part, language) for language, part in parts(readable(text), locale)]
        first = judged[0]
        if len(judged) == 1:
            return first
        worst = max(judged, key=lambda j: max(j.scores[head] for head in STOPPING[:3]))
        scores = {head: max(j.scores[head] for j in judged) for head in HEADS} | {"scope": first.scores["scope"]}
        stops = tuple(h for h in STOPPING if any(h in j.stops for j in (judged if h != "scope" else judged[:1])))
        alarms = tuple(h for h in HEADS[:2] if any(h in j.alarms for j in judged))
        passage = max((j.passage for j in judged), key=len)
        return Judgement(scores, stops, alarms, worst.category, worst.nearest, first.acuity, passage, first.brief)

    def _judge(self, text: str, locale: Locale) -> Judgement:
        read = [text, *windows(text)]
        vectors = self._transformer.vectors(read)
        convolution = self._convolution.vectors(read)
        logits = self._heads.logits(vectors, convolution)
        probabilities = self._heads.probabilities(logits, locale)
        scores = dict(zip(HEADS, map(float, probabilities[0]), strict=True))
        hidden: tuple[Head, ...] = ("injection",) if len(text) <= REACH[locale] else ("emergency", "crisis", "injection")
        for head in hidden:  # these may hide in a part of a longer text
            scores[head] = float(probabilities[:, HEADS.index(head)].max())
        limits = self._heads.thresholds[locale]
        brief = len(_WORD.findall(text)) < LEAST[locale]
        denied = self._heads.denied(convolution)
        alarms = () if brief else tuple(head for head in HEADS[:2] if scores[head] >= limits[head] and head not in denied)
        at = len(HEADS) + len(ACUITY)
        category = CATEGORIES[int(logits[0, at:].argmax())]
        alarming = int(probabilities[:, HEADS.index(alarms[0])].argmax()) if alarms and "crisis" in hidden else 0
        acuity = dict(zip(map(str, ACUITY), softmax(logits[0, len(HEADS) : at]), strict=True))
        nearest = self._card["examples"][int((self._tensors["examples"] @ vectors[0, :SENTENCE]).argmax())]
        passage = read[alarming] if alarming else ""
        return Judgement(scores, stopped(scores, limits), alarms, category, nearest, acuity, passage, brief)

    @cached_property
    def _tensors(self) -> dict[str, Array]:
        from safetensors.numpy import load_file

        path = self._folder / "guard.safetensors"
        try:
            return unscaled(load_file(path))
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
    def _heads(self) -> Heads:
        t, card = self._tensors, self._card
        calibration = {locale: np.asarray(card["calibration"][locale], np.float32) for locale in card["calibration"]}
        return Heads(t["heads.transformer"], t["heads.convolution"], calibration, card["thresholds"])

    @cached_property
    def _transformer(self) -> TransformerEncoder:
        return TransformerEncoder(_below(self._tensors, "transformer."))

    @cached_property
    def _convolution(self) -> ConvolutionEncoder:
        return ConvolutionEncoder(_below(self._tensors, "convolution."), self._pieces)


def _below(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}


def softmax(logits: Array) -> list[float]:
    shifted = np.exp(logits - logits.max())
    return [float(p) for p in shifted / shifted.sum()]


def stopped(scores: Mapping[Head, float], thresholds: Mapping[str, float]) -> tuple[Head, ...]:
    """The heads that stop. Outside health the turn ends anyway, kindly: to call it harmful there, harm must be sure."""
    outside = scores["scope"] >= thresholds["scope"]
    limits = {**thresholds, **({"harmful": thresholds["sure"], "misuse": thresholds["sure"]} if outside else {})}
    return tuple(head for head in STOPPING if scores[head] >= limits[head])


def windows(text: str) -> list[str]:
    """A longer text in pieces of at most WINDOW characters, cut between sentences where it can be; none of a short one."""
    if len(text) <= WINDOW:
        return []
    found = [""]
    for sentence in re.split(r"(?<=[.!?;:\n])\s|(?<=[。！？；：])", text):
        for piece in (sentence[at : at + WINDOW] for at in range(0, len(sentence), WINDOW)):
            if len(found[-1]) + len(piece) > WINDOW:
                found.append("")
            found[-1] = f"{found[-1]} {piece}".strip()
    return [window for window in found if window]
