"""The two encoders of the safety heads, both for English and Chinese, both tuned here.

`TransformerEncoder` is multilingual-e5-small; a short message takes about 10 ms on two cores. `ConvolutionEncoder` is the network
of Universal Sentence Encoder multilingual 3, in numpy: 2 to 5 ms. Each gives one vector a text, on which the heads are linear.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.e5 import BOS, EOS, WordFile, e5_file, inputs, tokenizer, tuned
from retrieval.encoder_zh import ChineseEncoder

Array = NDArray[np.float32]
LAYERS = 8  # of E5's twelve
TOKENS = 192  # that E5 reads: of a longer text the first and the last half
SIZE = 768  # values of E5's vector: the mean of the last layer, then its maximum
SENTENCE = 384  # the first of them, which tell what a text is about
BATCH = 16  # texts that E5 reads at once
BRANCHES = ((2, 0), (3, 1), (5, 2))  # pieces that a convolution sees at once, and how many of them stand before
WIDTH = 256
PIECES = 256  # that the convolutions read
CONVOLUTION_SIZE = 1_280


def norm(x: Array, gain: Array | float, bias: Array | float, eps: float) -> Array:
    """Layer normalisation over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * gain + bias, np.float32)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def halves(ids: Sequence[int], most: int) -> list[int]:
    """At most `most` ids: the first and the last half of them where there are more."""
    return list(ids) if len(ids) <= most else [*ids[: most // 2], *ids[-(most // 2) :]]


def pieces(tokens: Any, text: str) -> list[int]:
    """The ids of a text as the network reads it, at most TOKENS."""
    return [BOS, *halves(tokens.encode(text).ids, TOKENS - 2), EOS]


def pooled(last: Any, mask: Any) -> Any:
    """Torch: vectors (texts, SIZE) of the last layer (texts, tokens, 384) and the mask (texts, tokens)."""
    import torch

    seen = mask[..., None]
    return torch.cat([(last * seen).sum(1) / seen.sum(1), last.masked_fill(seen == 0, -1e4).amax(1)], -1).float()


class TransformerEncoder:
    """Reads texts with the weights that tuning changed (`changes`, by name); the base is loaded at the first text."""

    def __init__(self, changes: Mapping[str, Array]) -> None:
        self._changes, self._lock = changes, Lock()

    def vectors(self, texts: Sequence[str]) -> Array:
        """Shape (len(texts), SIZE)."""
        import torch

        found = np.zeros((len(texts), SIZE), np.float32)
        with self._lock, torch.inference_mode():
            words, tokens, model = self._loaded
            read = [pieces(tokens, text) for text in texts]
            order = sorted(range(len(texts)), key=lambda n: len(read[n]))
            for at in range(0, len(order), BATCH):
                mine = order[at : at + BATCH]
                vectors, mask = inputs(words, [read[n] for n in mine])
                found[mine] = pooled(
                    model(inputs_embeds=vectors.to(model.dtype), attention_mask=mask).last_hidden_state, mask
                ).numpy()
        return found

    @cached_property
    def _loaded(self) -> tuple[WordFile, Any, Any]:
        words = WordFile.load(e5_file())
        return words, tokenizer(words), tuned(words, LAYERS, self._changes)


class ConvolutionEncoder:
    """`tensors` are the tuned layers by the names of `finetune/guard_net.py`."""

    def __init__(self, tensors: Mapping[str, Array], pieces: ChineseEncoder) -> None:
        self._t, self._pieces = tensors, pieces

    def vectors(self, texts: Sequence[str]) -> Array:
        """Shape (len(texts), CONVOLUTION_SIZE)."""
        return np.stack([self._vector(halves(self._pieces.pieces(text), PIECES)) for text in texts])

    def _vector(self, ids: Sequence[int]) -> Array:
        t, rows = self._t, self._pieces.rows(ids)
        eps = float(t["eps"].flat[0])
        x = norm(rows @ t["proj"] + t["projb"], t["g0"], t["b0"], eps)
        parts = [rows, *(self._branch(x, number) for number in range(len(BRANCHES)))]
        features = norm(np.concatenate(parts, 1), t["g1"], t["b1"], eps)
        mean = np.asarray((features.sum(0) @ t["cw"] + len(ids) * t["cb"]) / np.sqrt(len(ids)), np.float32)
        y0 = relu(mean @ t["d0"])
        y1 = relu(mean @ t["p1"] + y0 @ t["d1"])
        z = np.tanh(y1 @ t["p3"] + relu(y1 @ t["d2"]) @ t["d3"])
        peaks = np.tanh((features @ t["mp"] + t["mpb"]).max(0))
        return np.concatenate([8 * z / max(float(np.linalg.norm(z)), 1e-12), norm(mean, 1.0, 0.0, 1e-5), peaks])

    def _branch(self, x: Array, number: int) -> Array:
        size, before = BRANCHES[number]
        own = x[:, number * WIDTH : (number + 1) * WIDTH]
        hidden = relu(_windows(own, size, before) @ self._t[f"w1.{number}"] + self._t[f"c1.{number}"]) + own
        return np.asarray(relu(_windows(hidden, size, before) @ self._t[f"w2.{number}"] + self._t[f"c2.{number}"]) + hidden)


def _windows(x: Array, size: int, before: int) -> Array:
    """Each row with its neighbours side by side, zeros beyond the ends: shape (len(x), size * WIDTH)."""
    padded = np.pad(x, ((before, size - 1 - before), (0, 0)))
    return np.concatenate([padded[n : n + len(x)] for n in range(size)], 1)
