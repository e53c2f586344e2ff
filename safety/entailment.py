"""Reads whether a text supports a claim: multilingual-e5-small tuned here as a cross-encoder, English and Chinese alike.

What was learned is a change of the base's weights in `finetune/released/verify/` (its README is the model card;
`python -m finetune.verify` makes it). The deterministic checks of `safety/grounding.py` stand beside it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.e5 import BOS, EOS, WordFile, e5_file, inputs, tokenizer, tuned, unscaled
from retrieval.text import is_chinese, sentences
from retrieval.types import Locale
from safety.grounding import Support, best_support, forbidden, numbers_differ, support
from safety.types import PolicyError, Problem

RELEASED = Path(__file__).parent.parent / "finetune" / "released" / "verify"
LAYERS = 8  # of the base's twelve; the others cost time, and tuning makes up for them
TOKENS = 192  # of claim and text together
ROOM: dict[Locale, int] = {"en": 620, "zh": 210}  # characters of a text that are read beside a claim
SHARED = 0.08  # length of the mark of a token that only one side has, as long as a word's vector
Array = NDArray[np.float32]


def relevant(claim: str, text: str) -> str:
    """The sentences of `text` that share most with the claim, in reading order, at most ROOM characters."""
    most = ROOM["zh" if is_chinese(text) else "en"]
    if len(text) <= most:
        return text
    found = [part[:most] for part in sentences(text)]
    mine, has = _words(claim), [_words(part) for part in found]
    weight = {word: 1.0 / (1 + sum(word in one for one in has)) for word in mine}
    own = [sum(weight[word] for word in mine & one) for one in has]
    near = [
        score + 0.4 * (own[n - 1] if n else 0) + 0.2 * (own[n + 1] if n + 1 < len(own) else 0) for n, score in enumerate(own)
    ]
    kept, room = set(), most
    for n in sorted(range(len(found)), key=lambda n: (-near[n], n)):
        if len(found[n]) <= room:
            kept.add(n)
            room -= len(found[n]) + 1
    return " ".join(found[n] for n in sorted(kept))


def _words(text: str) -> set[str]:
    """Beginnings of English words, numbers, pairs of Chinese characters."""
    found = set(re.findall(r"[a-z]{3,6}|\d+", text.lower()))
    han = re.findall("[\u3400-\u9fff]+", text)
    return found | {run[n : n + 2] for run in han for n in range(len(run) - 1)}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A claim and a text as the network reads them."""

    ids: list[int]
    alone: list[int]  # 1 for a token that the other side does not have
    claim: tuple[int, int]  # where the claim's tokens begin and end


def encoded(tokens: Any, claim: str, text: str) -> Encoded:
    """`<s> claim </s></s> text </s>`, at most TOKENS, of which the claim takes at most half."""
    said = tokens.encode(claim).ids[: TOKENS // 2]
    held = tokens.encode(text).ids[: TOKENS - len(said) - 4]
    mine, its = set(said), set(held)
    alone = [0, *(int(n not in its) for n in said), 0, 0, *(int(n not in mine) for n in held), 0]
    return Encoded([BOS, *said, EOS, EOS, *held, EOS], alone, (1, 1 + len(said)))


def cross_encoder(base: Any) -> Any:
    """The base with its head: one logit of the mean and the maximum over the claim's tokens."""
    import torch

    class CrossEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = base, torch.nn.Linear(768, 1)

        def forward(self, vectors: Any, alone: Any, mask: Any, claim: Any) -> Any:
            """Word vectors (n, length, 384), marks and masks (n, length): logits (n,)."""
            out = self.encoder(inputs_embeds=vectors, token_type_ids=alone, attention_mask=mask).last_hidden_state
            mean = (out * claim[..., None]).sum(1) / claim.sum(1, keepdim=True).clamp(min=1)
            highest = out.masked_fill(claim[..., None] == 0, -1e4).amax(1)
            return self.head(torch.cat([mean, highest], 1).to(self.head.weight.dtype)).squeeze(1)

    return CrossEncoder()


def batch(words: WordFile, pairs: Sequence[Encoded]) -> tuple[Any, Any, Any, Any]:
    """What a CrossEncoder takes: padded word vectors, marks, attention mask, claim mask."""
    import torch

    vectors, mask = inputs(words, [pair.ids for pair in pairs])
    width = mask.shape[1]
    alone = np.array([pair.alone + [0] * (width - len(pair.ids)) for pair in pairs])
    at = np.arange(width)
    claim = np.array([(at >= pair.claim[0]) & (at < pair.claim[1]) for pair in pairs], np.float32)
    return vectors, torch.from_numpy(alone), mask, torch.from_numpy(claim)


class Reader:
    """The tuned network with its calibration, loaded at the first claim. Safe for concurrent requests."""

    def __init__(self, folder: Path = RELEASED) -> None:
        self._folder, self._lock = folder, Lock()

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Of pairs (claim, text): that the text supports the claim, calibrated, 0..1. Raises PolicyError without weights."""
        import torch

        if not pairs:
            return []
        with self._lock, torch.inference_mode():
            words, tokens, model = self._loaded
            vectors, alone, mask, claim = batch(words, [encoded(tokens, one, text) for one, text in pairs])
            logits = model(vectors.to(model.encoder.dtype), alone, mask, claim.to(model.encoder.dtype)).float().numpy()
        return [
            float(1 / (1 + np.exp(-(slope * z + offset))))
            for z, (slope, offset) in zip(logits, map(self._fit, pairs), strict=True)
        ]

    def threshold(self, claim: str) -> float:
        """From which probability on a claim counts as supported."""
        return float(self._card["calibration"][_locale(claim)]["threshold"])

    def network(self) -> Any:
        """The CrossEncoder itself, in evaluation mode: what a further training starts from."""
        return self._loaded[2]

    def _fit(self, pair: tuple[str, str]) -> tuple[float, float]:
        fit = self._card["calibration"][_locale(pair[0])]
        return fit["slope"], fit["offset"]

    @cached_property
    def _loaded(self) -> tuple[WordFile, Any, Any]:
        import torch
        from safetensors.numpy import load_file

        path = self._folder / "verify.safetensors"
        try:
            changes = unscaled(load_file(path))
        except (OSError, ValueError) as error:
            raise PolicyError(f"{path}: {error!r}; make it with `python -m finetune.verify`") from error
        words = WordFile.load(e5_file())
        inner = {name.removeprefix("encoder."): change for name, change in changes.items() if name.startswith("encoder.")}
        model = cross_encoder(tuned(words, LAYERS, inner))
        model.head.load_state_dict({name: torch.from_numpy(changes[f"head.{name}"]) for name in ("weight", "bias")})
        return words, tokenizer(words), model.eval()

    @cached_property
    def _card(self) -> dict[str, Any]:
        path = self._folder / "verify.json"
        try:
            card: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PolicyError(f"{path}: {error!r}; make it with `python -m finetune.verify`") from error
        return card


def _locale(claim: str) -> Locale:
    return "zh" if is_chinese(claim) else "en"


def likeliest(claim: str, texts: Sequence[str], most: int = 6) -> list[int]:
    """The indices of the texts that share most with the claim, best first."""
    mine = _words(claim)
    shared = [sum(word in text.lower() for word in mine) for text in texts]
    return sorted(range(len(texts)), key=lambda n: (-shared[n], n))[:most]


def held(claim: str, texts: Sequence[str], reader: Reader) -> tuple[Support, int | None]:
    """How surely the texts hold a claim, in whatever words, and the index of the text that holds it best.

    What stands there in the same words is certain. Else the network reads the likeliest text, and the sentences of several
    together where there are several; a number that none of them has is a problem whatever it says, and so is a sentence
    that forbids what the claim says. No text, or a claim without a word, is never held.
    """
    verbatim = best_support(claim, texts)
    if not texts or not re.search(r"\w", claim):
        return Support(0.0, verbatim.problems or (Problem("unsupported", "the claim says nothing that can be checked"),)), None
    if verbatim.supported and verbatim.score == 1.0:
        return verbatim, max(range(len(texts)), key=lambda n: support(claim, texts[n]).supported)
    order = likeliest(claim, texts)
    read = [relevant(claim, texts[order[0]])]
    if len(order) > 1:
        read.append(relevant(claim, "\n".join(texts[n] for n in sorted(order))))
    score = max(reader.probabilities([(claim, one) for one in read]))
    together = "\n".join(texts[n] for n in order)
    problems = (*numbers_differ(claim, together), *forbidden(claim, together))
    if score < reader.threshold(claim):
        problems = (Problem("unsupported", f"the text does not say so (probability {score:.2f})"), *problems)
    return Support(score, problems), order[0]
