"""The networks of `safety/encoders.py` with the heads of `safety/guard.py`, in a form that can be trained. Import only where torch is wanted."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from finetune.tuned import changed
from retrieval.e5 import WordFile, e5_file, encoder, inputs, quick_bfloat16, tokenizer
from retrieval.encoder_zh import ChineseEncoder
from safety.encoders import BRANCHES, CONVOLUTION_SIZE, LAYERS, PIECES, SIZE, WIDTH, halves, pieces, pooled

PEAKS = 256  # of the convolutions' values, those that are maxima over the text
Array = NDArray[np.float32]

DROPPED = (0.03, 0.08, 0.15)  # shares of a text's pieces that are left out, half of the time: no single word may decide


class Transformer(nn.Module):
    """Begins with the packaged layers; all but the word vectors are tuned."""

    epochs, rates = 3, (1.2e-4, 1e-3)

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.words = WordFile.load(e5_file())
        self.tokens, self.encoder = tokenizer(self.words), encoder(self.words, LAYERS)
        self.encoder.embeddings.requires_grad_(False)
        self.heads = linear(SIZE, outputs)

    def read(self, text: str) -> list[int]:
        return pieces(self.tokens, text)

    def forward(self, batch: Sequence[list[int]], noisy: bool = False) -> torch.Tensor:
        """Vectors of texts as pieces, shape (texts, SIZE)."""
        vectors, mask = inputs(self.words, [thinned(row) if noisy else row for row in batch])
        with torch.autocast("cpu", torch.bfloat16, quick_bfloat16()):
            last = self.encoder(inputs_embeds=vectors, attention_mask=mask).last_hidden_state
        found: torch.Tensor = pooled(last, mask)
        return found

    def tensors(self) -> dict[str, Array]:
        """What tuning changed, by the weights' names."""
        return changed(self.words, self.encoder.state_dict(), LAYERS)


class Convolution(nn.Module):
    """Begins with the packaged layers; every one of them is tuned."""

    epochs, rates = 7, (4e-4, 2e-3)

    def __init__(self, outputs: int, pieces: ChineseEncoder) -> None:
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
        self.heads = linear(CONVOLUTION_SIZE, outputs)

    def read(self, text: str) -> list[int]:
        return halves(self.pieces.pieces(text), PIECES)

    def forward(self, batch: Sequence[list[int]], noisy: bool = False) -> torch.Tensor:
        """Vectors of texts as pieces, shape (texts, CONVOLUTION_SIZE)."""
        ids, seen = padded([thinned(row) if noisy else row for row in batch])
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


def linear(size: int, outputs: int) -> nn.Linear:
    """Heads at their beginning."""
    heads = nn.Linear(size, outputs)
    nn.init.normal_(heads.weight, std=0.01)
    nn.init.zeros_(heads.bias)
    return heads


def padded(rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and where they are, each of shape (rows, longest)."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    seen = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows])
    return ids, seen


def thinned(ids: list[int]) -> list[int]:
    """Half of the time some ids are dropped."""
    if random.random() < 0.5:
        return ids
    share = random.choice(DROPPED)
    return [ids[0], *(i for i in ids[1:-1] if random.random() > share), ids[-1]]
