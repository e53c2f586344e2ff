"""Trains and measures the name finder of `safety.deid_names`.

`python -m finetune.deid --data DIR` composes the texts, trains on one thread (ten to fifteen minutes), sets the floors on frames
and names that were not trained on, and writes the weights. `python -m finetune.deid_figures` measures the whole.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.deid_data import Marked
from finetune.deid_texts import held_out_texts, training_texts
from safety.deid_names import BUCKETS, DILATIONS, KINDS, TAGS, WEIGHTS, NameFinder, decode, features, tokens

WIDTH, HIDDEN = 36, 96
EPOCHS, BATCH, RATE = 3, 256, 4e-3
LONGEST = 120  # tokens of a training text
Example = tuple[list[tuple[int, ...]], NDArray[np.int64]]


def main() -> None:
    """Train, set the floors, write the weights and print the figures on frames and names that were held out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    started = time.perf_counter()
    rows = training_texts(asked.data)
    examples = [encode(row) for row in rows]
    print(f"{len(rows)} texts, {sum(len(e[1]) for e in examples)} tokens, {time.perf_counter() - started:.0f} s", flush=True)
    weights = train(examples)
    save(weights, dict.fromkeys(KINDS, 0.5), asked.out)
    floors = choose_floors(NameFinder.load(asked.out), held_out_texts(asked.data))
    save(weights, floors, asked.out)
    print(json.dumps({"floors": floors, "took_s": round(time.perf_counter() - started)}), flush=True)


def encode(row: Marked) -> Example:
    """Features and tag of each token."""
    text, spans = row
    found = tokens(text)[:LONGEST]
    tags = np.zeros(len(found), dtype=np.int64)
    for start, end, kind in spans:
        inside = [i for i, token in enumerate(found) if token.start < end and start < token.end]
        tags[inside] = TAGS.index(f"I-{kind}")
        tags[inside[:1]] = TAGS.index(f"B-{kind}")
    return features(found), tags


def train(examples: list[Example]) -> dict[str, NDArray[np.float32]]:
    """Fits the net and gives its weights in the names and layouts that `NameFinder` reads."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)  # a second thread costs more than it gives beside other work
    net = _net()
    decay = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01)
    steps = EPOCHS * (len(examples) // BATCH + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(decay, RATE, total_steps=steps + 1, pct_start=0.1)
    chooser, seen, total = np.random.default_rng(0), 0, 0.0
    for batch in _batches(examples, chooser):
        loss = torch.nn.functional.cross_entropy(net(*batch[:2]), batch[2], ignore_index=-1)
        decay.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        decay.step()
        schedule.step()
        seen, total = seen + 1, total + loss.item()
        if seen % 200 == 0:
            print(f"step {seen}/{steps} loss {total / 200:.4f}", flush=True)
            total = 0.0
    return _exported(net)


def _net() -> Any:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.EmbeddingBag(BUCKETS, WIDTH, mode="sum")
            torch.nn.init.normal_(self.embedding.weight, std=0.03)
            widths = [WIDTH, *[HIDDEN] * len(DILATIONS)]
            self.convs = torch.nn.ModuleList(
                torch.nn.Conv1d(widths[i], HIDDEN, 3, padding=d, dilation=d) for i, d in enumerate(DILATIONS)
            )
            self.drop = torch.nn.Dropout(0.1)
            self.out = torch.nn.Linear(HIDDEN, len(TAGS))

        def forward(self, bags: tuple[Any, Any, Any], shape: tuple[int, int]) -> Any:
            flat, offsets, roots = bags
            hidden = (self.embedding(flat, offsets) * roots[:, None]).view(*shape, WIDTH).transpose(1, 2)
            for i, conv in enumerate(self.convs):
                mixed = torch.relu(conv(hidden))
                hidden = mixed if i == 0 else hidden + self.drop(mixed)
            return self.out(hidden.transpose(1, 2)).reshape(-1, len(TAGS))

    return Net()


def _batches(examples: list[Example], chooser: np.random.Generator) -> Iterator[tuple[Any, Any, Any]]:
    """Texts of like length together; some features are dropped so that spelling, shape and context must serve too."""
    import torch

    for _ in range(EPOCHS):
        order = sorted(chooser.permutation(len(examples)), key=lambda i: len(examples[i][1]) // 8)
        starts = list(range(0, len(order), BATCH))
        chooser.shuffle(starts)
        for start in starts:
            chosen = [examples[i] for i in order[start : start + BATCH]]
            longest = max(len(tags) for _, tags in chosen)
            flat, offsets, roots, wanted = _packed(chosen, longest, chooser)
            bags = (torch.from_numpy(flat), torch.from_numpy(offsets), torch.from_numpy(roots))
            yield bags, (len(chosen), longest), torch.from_numpy(wanted)


def _packed(chosen: list[Example], longest: int, chooser: np.random.Generator) -> tuple[NDArray[Any], ...]:
    counts = np.zeros((len(chosen), longest), dtype=np.int64)
    wanted = np.full((len(chosen), longest), -1, dtype=np.int64)
    for n, (own, tags) in enumerate(chosen):
        counts[n, : len(own)] = [len(one) for one in own]
        wanted[n, : len(tags)] = tags
    flat = np.fromiter((f for own, _ in chosen for one in own for f in one), dtype=np.int64)
    owner = np.repeat(np.arange(counts.size), counts.ravel())
    firsts = np.zeros(len(flat), dtype=bool)
    full = counts.ravel()
    firsts[(np.cumsum(full) - full)[full > 0]] = True  # the word itself
    # whole tokens are hidden too: a fifth of the texts is read with few neighbours
    hidden = chooser.random((len(chosen), longest)) < chooser.choice((0.05, 0.1, 0.1, 0.3, 0.5), (len(chosen), 1))
    keep = (chooser.random(len(flat)) >= np.where(firsts, 0.4, 0.1)) & ~hidden.ravel()[owner]
    kept = np.bincount(owner[keep], minlength=counts.size)
    roots = (1 / np.sqrt(np.maximum(kept, 1))).astype(np.float32)
    return flat[keep], np.cumsum(kept) - kept, roots, wanted.ravel()


def _exported(net: Any) -> dict[str, NDArray[np.float32]]:
    weights = {"embedding": net.embedding.weight.detach().numpy()}
    for i, conv in enumerate(net.convs):
        # (out, in, 3) -> (3 * in, out): the neighbours before, the token, the neighbours after
        weights[f"conv{i}.weight"] = conv.weight.detach().numpy().transpose(2, 1, 0).reshape(-1, HIDDEN)
        weights[f"conv{i}.bias"] = conv.bias.detach().numpy()
    weights["out.weight"] = net.out.weight.detach().numpy().T
    weights["out.bias"] = net.out.bias.detach().numpy()
    return weights


def save(weights: dict[str, NDArray[np.float32]], floors: dict[str, float], path: Path) -> None:
    """Writes the weights: the embedding as 8-bit rows with a scale each, the rest as 16-bit floats (3 MB)."""
    from safetensors.numpy import save_file

    table = weights["embedding"]
    scale = np.abs(table).max(1) / 127 + 1e-9
    packed: dict[str, Any] = {k: np.ascontiguousarray(v.astype(np.float16)) for k, v in weights.items() if k != "embedding"}
    packed["embedding"] = np.round(table / scale[:, None]).astype(np.int8)
    packed["scale"] = scale.astype(np.float16)
    save_file(packed, path, {"floors": json.dumps(floors), "made_by": "python -m finetune.deid"})


def choose_floors(finder: NameFinder, rows: Sequence[Marked]) -> dict[str, float]:
    """For each kind the floor with the best F3: a missed name harms more than a word masked in vain."""
    ready = [(found, finder.probabilities(found), spans) for text, spans in rows if (found := tokens(text))]
    best: dict[str, float] = {}
    for kind in KINDS:
        figures = {floor: _counts(ready, kind, floor) for floor in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)}
        print(kind, {f: tuple(round(x, 3) for x in c) for f, c in figures.items()}, flush=True)
        best[kind] = max(figures, key=lambda f: 10 * figures[f][0] * figures[f][1] / (9 * figures[f][1] + figures[f][0] + 1e-9))
    return best


def _counts(ready: Sequence[Any], kind: str, floor: float) -> tuple[float, float]:
    hit = wanted = right = given = 0
    for found, probabilities, spans in ready:
        guesses = [s for s in decode(found, probabilities, dict.fromkeys(KINDS, floor)) if s.kind == kind]
        gold = [s for s in spans if s[2] == kind]
        hit += sum(any(g.start <= s[0] and s[1] <= g.end for g in guesses) for s in gold)
        right += sum(any(g.start < s[1] and s[0] < g.end for s in gold) for g in guesses)
        wanted, given = wanted + len(gold), given + len(guesses)
    return hit / max(wanted, 1), right / max(given, 1)


if __name__ == "__main__":
    main()
