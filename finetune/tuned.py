"""What every tuning here shares: the learning rate's course, batches of like lengths, and how the changed weights are kept, small."""

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.e5 import FEW, WordFile, encoder

T = TypeVar("T")
BUDGET = 3_072  # tokens of a batch
WARM = 0.06  # share of the steps in which the learning rate rises
LARGE = 50_000  # values of a matrix that is kept in fewer bits
Array = NDArray[np.float32]


def warmed(done: float) -> float:
    """The share of the full learning rate when `done` (0..1) of the steps are done: up over WARM of them, then down in a line."""
    return min((done + 1e-3) / WARM, max(0.02, (1 - done) / (1 - WARM)), 1.0)


def batched(rows: Iterable[T], length: Callable[[T], int], seed: int, most: int = 1_000) -> list[list[T]]:
    """Batches of about BUDGET tokens and at most `most` rows, of like lengths, in random order; the same for the same seed."""
    rng = random.Random(seed)
    made: list[list[T]] = [[]]
    for row in sorted(rows, key=lambda r: length(r) * (1 + 0.1 * rng.random()) + 8 * rng.random()):
        if made[-1] and ((len(made[-1]) + 1) * length(row) > BUDGET or len(made[-1]) >= most):
            made.append([])
        made[-1].append(row)
    rng.shuffle(made)
    return made


def changed(words: WordFile, state: Mapping[str, Any], layers: int) -> dict[str, Array]:
    """The difference of each weight (torch tensors, by name) from the package's, where there is one."""
    before = encoder(words, layers).state_dict()
    found = {
        name: (value.detach().float() - before[name]).numpy() for name, value in state.items() if "word_embeddings" not in name
    }
    return {name: change for name, change in found.items() if np.any(change)}


def keep(path: Path, changes: Mapping[str, Array], others: Mapping[str, Array], about: dict[str, str] | None = None) -> None:
    """Writes what `retrieval.e5.unscaled` reads. `about` goes along.

    Changes of large matrices are kept in 4 bits with a scale for each FEW of a row: they are small beside the weights that they
    are added to. Other large matrices take 8 bits with a scale a row, all else half precision.
    """
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    packed: dict[str, NDArray[Any]] = {}
    for name, value in {**changes, **others}.items():
        if value.ndim != 2 or value.size <= LARGE:
            packed[name] = value.astype(np.float32 if value.size == 1 else np.float16)  # a lone epsilon would become 0
        elif name in changes and value.shape[1] % FEW == 0:
            packed[name], packed[f"{name}.scale"] = four_bits(value)
        else:
            scale = np.abs(value).max(1) / 127 + 1e-12
            packed[name], packed[f"{name}.scale"] = np.round(value / scale[:, None]).astype(np.int8), scale.astype(np.float32)
    save_file({name: np.ascontiguousarray(t) for name, t in packed.items()}, path, about)
    path.chmod(0o644)  # the library writes it for its owner only


def four_bits(value: Array) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """A matrix (rows, columns) as two values a byte, and the scales of each FEW columns."""
    blocks = value.reshape(len(value), -1, FEW)
    scale = (np.abs(blocks).max(2) / 7 + 1e-7).astype(np.float16)
    whole = (np.clip(np.round(blocks / scale[..., None].astype(np.float32)), -7, 7) + 8).astype(np.uint8).reshape(value.shape)
    return whole[:, 0::2] | (whole[:, 1::2] << 4), scale
