"""The encoders behind the trained heads, with the layers that we trained (`finetune/released/guard/`).

Bilingual: the network of Google's Universal Sentence Encoder, multilingual 3 (word pieces, convolutions over 2, 3 and 5 of
them, two dense layers), its layers tuned by us, run in numpy: 2 ms for a message. English: MiniLM with low-rank changes
(LoRA) merged into its weights: 13 ms. Both give one vector a text, on which the heads are linear.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embed import minilm_folder
from retrieval.encoder_zh import ChineseEncoder

Array = NDArray[np.float32]
BRANCHES = ((2, 0), (3, 1), (5, 2))  # pieces that a convolution sees at once, and how many of them stand before
WIDTH = 256
PIECES = 256  # of a longer text the first and the last half
TOKENS = 192  # of MiniLM
RANK_SCALE = 2.0  # LoRA's alpha / r
BILINGUAL_SIZE, ENGLISH_SIZE = 1_280, 768
SENTENCE = 512  # the first of a bilingual vector's values, which are the sentence vector, eight times a unit vector


def norm(x: Array, gain: Array | float, bias: Array | float, eps: float) -> Array:
    """Layer normalisation over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * gain + bias, np.float32)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def halves(ids: Sequence[int], most: int) -> list[int]:
    """At most `most` ids: the first and the last half of them where there are more."""
    return list(ids) if len(ids) <= most else [*ids[: most // 2], *ids[-(most // 2) :]]


class BilingualEncoder:
    """English and Chinese. `tensors` are the trained layers by the names of `finetune/guard_net.py`."""

    def __init__(self, tensors: Mapping[str, Array], pieces: ChineseEncoder) -> None:
        self._t, self._pieces = tensors, pieces

    def vectors(self, texts: Sequence[str]) -> Array:
        """Shape (len(texts), BILINGUAL_SIZE)."""
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


class EnglishEncoder:
    """English only. `tensors` hold the low-rank changes, as `<weight>.a` (r, in) and `<weight>.b` (out, r)."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self._tensors, self._lock = tensors, Lock()
        self._model: Any = None
        self._tokenizer: Any = None

    def vectors(self, texts: Sequence[str]) -> Array:
        """Shape (len(texts), ENGLISH_SIZE): mean and maximum of the last layer."""
        import torch

        with self._lock:
            if self._model is None:
                self._load()
            ids = [halves(self._tokenizer(text, verbose=False)["input_ids"], TOKENS) for text in texts]
            longest = max(map(len, ids))
            batch = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
            with torch.inference_mode():
                last = self._model(input_ids=batch, attention_mask=mask).last_hidden_state
            seen = mask.unsqueeze(-1)
            mean = (last * seen).sum(1) / seen.sum(1)
            return np.asarray(torch.cat([mean, last.masked_fill(seen == 0, -1e4).amax(1)], 1).numpy(), np.float32)

    def _load(self) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        folder = str(minilm_folder())
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        weights = dict(self._model.named_parameters())
        with torch.no_grad():
            for name in {key[:-2] for key in self._tensors if key.endswith(".a")}:
                a, b = (torch.from_numpy(np.asarray(self._tensors[f"{name}.{x}"], np.float32)) for x in "ab")
                weights[name] += RANK_SCALE * (b @ a)
