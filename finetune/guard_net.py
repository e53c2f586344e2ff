"""The networks of `safety/encoders.py` in a form that can be trained. Import only where torch is wanted."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from retrieval.embed import minilm_folder
from retrieval.encoder_zh import ChineseEncoder
from safety.encoders import BILINGUAL_SIZE, BRANCHES, ENGLISH_SIZE, PIECES, RANK_SCALE, TOKENS, WIDTH, halves

RANK = 16
PEAKS = 256  # values that are maxima over the text
Array = NDArray[np.float32]


class Bilingual(nn.Module):
    """Begins with the packaged layers; every one of them is tuned."""

    size, rates = BILINGUAL_SIZE, (4e-4, 2e-3)

    def __init__(self, pieces: ChineseEncoder) -> None:
        super().__init__()
        self.pieces, given = pieces, {name: torch.from_numpy(t) for name, t in pieces.layers().items()}
        wide = {"proj": "proj", "projb": "proj_b", "g0": "ln_g", "b0": "ln_b"}
        start = {name: torch.cat([given[f"{theirs}{n}"] for n, _ in BRANCHES], -1) for name, theirs in wide.items()}
        start |= {"g1": given["ln_g"], "b1": given["ln_b"], "cw": given["cnn_W"], "cb": given["cnn_b"]}
        start |= {name: given[name] for name in ("d0", "d1", "d2", "d3", "p1", "p3")}
        for number, (n, _) in enumerate(BRANCHES):
            start |= {f"w{k}.{number}": given[f"w{k}_{n}"] for k in (1, 2)} | {
                f"c{k}.{number}": given[f"b{k}_{n}"] for k in (1, 2)
            }
        start |= {"mp": torch.randn(len(given["ln_g"]), PEAKS) * 0.02, "mpb": torch.zeros(PEAKS)}
        self.t = nn.ParameterDict({name.replace(".", "_"): nn.Parameter(t.clone()) for name, t in start.items()})
        self.names, self.eps = list(start), float(given["eps"])

    def read(self, text: str) -> list[int]:
        return halves(self.pieces.pieces(text), PIECES)

    def forward(self, batch: Sequence[list[int]], noisy: bool = False) -> torch.Tensor:
        """Vectors of texts as pieces, shape (texts, BILINGUAL_SIZE)."""
        ids, seen = padded([thinned(row, noisy, None) for row in batch])
        rows = torch.from_numpy(self.pieces.rows(ids.flatten().tolist())).view(*ids.shape, -1)
        t, mask = self.t, seen.unsqueeze(-1).float()
        x = F.layer_norm(rows @ t["proj"] + t["projb"], (len(BRANCHES) * WIDTH,), t["g0"], t["b0"], self.eps) * mask
        parts = [rows, *(self._branch(x, mask, number) for number in range(len(BRANCHES)))]
        features = F.layer_norm(torch.cat(parts, -1), (len(t["g1"]),), t["g1"], t["b1"], self.eps)
        length = mask.sum(1)
        mean = ((features * mask).sum(1) @ t["cw"] + length * t["cb"]) / length.sqrt()
        y0 = F.relu(mean @ t["d0"])
        y1 = F.relu(mean @ t["p1"] + y0 @ t["d1"])
        z = F.normalize(torch.tanh(y1 @ t["p3"] + F.relu(y1 @ t["d2"]) @ t["d3"]), dim=-1)
        peaks = torch.tanh((features @ t["mp"] + t["mpb"]).masked_fill(mask == 0, -1e4).amax(1))
        return torch.cat([8 * z, F.layer_norm(mean, (mean.shape[-1],)), peaks], -1)

    def _branch(self, x: torch.Tensor, mask: torch.Tensor, number: int) -> torch.Tensor:
        own = x[..., number * WIDTH : (number + 1) * WIDTH]
        hidden = (self._convolved(own, 1, number) + own) * mask
        return self._convolved(hidden, 2, number) + hidden

    def _convolved(self, x: torch.Tensor, layer: int, number: int) -> torch.Tensor:
        size, before = BRANCHES[number]
        weight = self.t[f"w{layer}_{number}"].view(size, WIDTH, WIDTH).permute(2, 1, 0)
        wide = F.pad(x.transpose(1, 2), (before, size - 1 - before))
        return F.relu(F.conv1d(wide, weight, self.t[f"c{layer}_{number}"])).transpose(1, 2)

    def tensors(self) -> dict[str, Array]:
        found = {name: self.t[name.replace(".", "_")].detach().numpy() for name in self.names}
        return found | {"eps": np.array(self.eps, np.float32)}


class English(nn.Module):
    """MiniLM with LoRA on every linear layer of its encoder."""

    size, rates = ENGLISH_SIZE, (1e-3, 2e-3)

    def __init__(self) -> None:
        super().__init__()
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModel, AutoTokenizer

        folder = str(minilm_folder())
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = LoraConfig(
            r=RANK, lora_alpha=int(RANK * RANK_SCALE), lora_dropout=0.05, target_modules=["query", "key", "value", "dense"]
        )
        model: Any = AutoModel.from_pretrained(folder, local_files_only=True)
        self.model: Any = get_peft_model(model, config)

    def read(self, text: str) -> list[int]:
        return halves(self.tokenizer(text, verbose=False)["input_ids"], TOKENS)

    def forward(self, batch: Sequence[list[int]], noisy: bool = False) -> torch.Tensor:
        """Vectors of texts as tokens, shape (texts, ENGLISH_SIZE)."""
        ids, seen = padded([thinned(row, noisy, self.tokenizer.mask_token_id) for row in batch])
        last = self.model(input_ids=ids, attention_mask=seen.long()).last_hidden_state
        mask = seen.unsqueeze(-1)
        return torch.cat([(last * mask).sum(1) / mask.sum(1), last.masked_fill(~mask, -1e4).amax(1)], -1)

    def tensors(self) -> dict[str, Array]:
        """The low-rank changes by the weight's name in the model as it comes."""
        found = {}
        for name, t in self.model.named_parameters():
            for ours, theirs in (("a", ".lora_A.default.weight"), ("b", ".lora_B.default.weight")):
                if name.endswith(theirs):
                    base = name.removeprefix("base_model.model.").removesuffix(theirs)
                    found[f"{base}.weight.{ours}"] = t.detach().numpy()
        return found


def padded(rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and where they are, each of shape (rows, longest)."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    seen = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows])
    return ids, seen


def thinned(ids: list[int], noisy: bool, mask: int | None) -> list[int]:
    """Half of the time some ids are dropped, or masked, so that no single word decides."""
    if not noisy or random.random() < 0.5:
        return ids
    share = random.choice((0.03, 0.08, 0.15))
    inner = [i if random.random() > share else mask for i in ids[1:-1]]
    kept = [i for i in inner if i is not None]
    return [ids[0], *kept, ids[-1]]


def batches(rows: Sequence[Any], size: int, shuffled: bool) -> Iterator[list[Any]]:
    """Rows with `ids`, those of like length together."""
    order = list(rows)
    if shuffled:
        random.shuffle(order)
    chunk = size * 40 if shuffled else max(1, len(order))
    cut = [sorted(order[at : at + chunk], key=lambda r: len(r.ids)) for at in range(0, len(order), chunk)]
    found = [part[at : at + size] for part in cut for at in range(0, len(part), size)]
    if shuffled:
        random.shuffle(found)
    yield from found
