"""How a tuned network is kept: what tuning changed in the weights of its base, small."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.e5 import WordFile, encoder

Array = NDArray[np.float32]


def changed(words: WordFile, state: Mapping[str, Any], layers: int) -> dict[str, Array]:
    """The difference of each weight (torch tensors, by name) from the package's, where there is one."""
    before = encoder(words, layers).state_dict()
    found = {
        name: (value.detach().float() - before[name]).numpy() for name, value in state.items() if "word_embeddings" not in name
    }
    return {name: change for name, change in found.items() if np.any(change)}


def keep(path: Path, tensors: Mapping[str, Array], about: dict[str, str] | None = None) -> None:
    """Writes large matrices in 8 bits with a scale a row, the rest in half precision; `retrieval.e5.unscaled` reads them. `about` goes along."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    packed: dict[str, NDArray[Any]] = {}
    for name, value in tensors.items():
        if value.ndim == 2 and value.size > 50_000:
            scale = np.abs(value).max(1) / 127 + 1e-12
            packed[name], packed[f"{name}.scale"] = np.round(value / scale[:, None]).astype(np.int8), scale.astype(np.float32)
        else:
            packed[name] = value.astype(np.float32 if value.size == 1 else np.float16)  # a lone epsilon would become 0
    save_file({name: np.ascontiguousarray(t) for name, t in packed.items()}, path, about)
    path.chmod(0o644)  # the library writes it for its owner only
