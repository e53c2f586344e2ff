"""Trains, calibrates and measures the heads of `safety/guard.py`: `python -m finetune.guard --data DIR`.

Rows come from `finetune/examples/`, the rules' own examples and public sets under DIR, which stay there. Groups (a pair, a
way of attack, an author, a diagnosis) are kept whole: eight tenths fit the two networks, one tenth calibrates and chooses
the thresholds, one tenth is only measured. A network that is trained already (a file in --work) is not trained again.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.guard_data import SEED, Row, all_rows
from finetune.tuned import batched, keep, warmed
from retrieval.encoder_zh import ChineseEncoder
from retrieval.types import LOCALES
from safety.encoders import SENTENCE
from safety.guard import ACUITY, CATEGORIES, HEADS, RELEASED, SECOND, STOPPING, stopped
from safety.readable import readable

WEIGHTS = {"triage": 3.0, "crisis": 3.0, "requests": 3.0, "red_flags": 2.0, "interview": 2.0}
NETS = ("transformer", "convolution")
SMOOTH, MOST = 0.02, 64  # texts of a batch
OUTPUTS = len(HEADS) + len(ACUITY) + len(CATEGORIES)
ALLOWED: dict[str, tuple[str, dict[str, float]]] = {  # threshold: head, and the share of each kind of safe text it may stop
    "emergency": ("emergency", {"calm": 0.035, "patient": 0.03, "none": 0.04}),
    "crisis": ("crisis", {"none": 0.15, "calm": 0.02, "patient": 0.005, "benign": 0.05}),
    "harmful": ("harmful", {"patient": 0.006, "benign": 0.08, "calm": 0.01, "none": 0.04}),
    "misuse": ("misuse", {"patient": 0.004, "benign": 0.08, "calm": 0.01, "none": 0.04}),
    "injection": ("injection", {"patient": 0.003, "benign": 0.02, "document": 0.03, "calm": 0.005, "none": 0.02}),
    "scope": ("scope", {"patient": 0.006, "safe medical": 0.05, "calm": 0.005, "none": 0.02}),
    "sure": ("harmful", {"out_of_scope": 0.02}),
}
Array = NDArray[np.float32]


@dataclass(slots=True)
class Text:
    """A row as ids of one network, with its targets: NaN where nothing is known."""

    row: Row
    ids: list[int]
    weight: float


def main() -> None:
    """Train what is missing; with both networks there, calibrate, measure and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--net", choices=NETS, help="train this network only")
    parser.add_argument("--work", type=Path, default=Path("var/guard"), help="where trained networks are kept between runs")
    parser.add_argument("--out", type=Path, default=RELEASED)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows = all_rows(arguments.data)
    nets = {name: train(network(name), rows, arguments.work / f"{name}.pt") for name in NETS if arguments.net in (None, name)}
    if len(nets) == len(NETS):
        finish(rows, nets, arguments.out)


def network(name: str) -> Any:
    """A network with its heads, at its beginning."""
    from finetune.guard_net import Convolution, Transformer

    return Transformer(OUTPUTS) if name == "transformer" else Convolution(OUTPUTS, ChineseEncoder())


def train(net: Any, rows: Sequence[Row], kept: Path) -> Any:
    """The network, fitted on the rows' parts for that. Its state is kept after each epoch: a run that was cut off goes on from there."""
    import torch
    from tqdm import tqdm

    torch.manual_seed(SEED)
    random.seed(SEED)
    first = 0
    state = torch.load(kept, weights_only=True) if kept.is_file() else None
    if state:
        net.load_state_dict(state["net"])
        first = state["epoch"] + 1
    if first == net.epochs:
        return net.eval()
    texts = [Text(row, net.read(readable(row.text)), WEIGHTS.get(row.source, 1.0)) for row in rows if row.part == "fit"]
    heads = list(net.heads.parameters())
    groups = [[p for name, p in net.named_parameters() if p.requires_grad and not name.startswith("heads")], heads]
    optimiser = torch.optim.AdamW(
        [{"params": group, "lr": rate} for group, rate in zip(groups, net.rates, strict=True)],
        weight_decay=0.02,
        betas=(0.9, 0.98),
    )
    if state:
        optimiser.load_state_dict(state["optimiser"])
    epochs = [batched(texts, lambda text: len(text.ids), epoch, MOST) for epoch in range(net.epochs)]
    steps = sum(map(len, epochs))
    net.train()
    for epoch in range(first, net.epochs):
        done = sum(map(len, epochs[:epoch]))
        bar = tqdm(epochs[epoch], desc=f"{kept.stem} {epoch + 1}/{net.epochs}", file=sys.stderr, mininterval=20)
        for step, batch in enumerate(bar, done):
            for group, rate in zip(optimiser.param_groups, net.rates, strict=True):
                group["lr"] = rate * warmed(step / steps)
            vectors = torch.nn.functional.dropout(net([text.ids for text in batch], noisy=True), 0.1)
            loss = loss_of(net.heads(vectors), batch)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for group in groups for p in group], 1.0)
            optimiser.step()
        torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch}, kept)
    return net.eval()


def loss_of(logits: Any, batch: Sequence[Text]) -> Any:
    """Cross-entropy of every head on the rows that have its label, weighted by the rows' source."""
    import torch
    from torch.nn import functional as F

    weights = torch.tensor([text.weight for text in batch])
    total = logits.sum() * 0
    for column, head in enumerate(HEADS):
        mine = [n for n, text in enumerate(batch) if head in text.row.labels]
        if mine:
            wanted = torch.tensor([batch[n].row.labels[head] * (1 - 2 * SMOOTH) + SMOOTH for n in mine])
            lost = F.binary_cross_entropy_with_logits(logits[mine, column], wanted, reduction="none")
            total = total + (lost * weights[mine]).sum() / len(batch)
    classes = (
        (len(HEADS), len(ACUITY), lambda r: r.labels.get("acuity")),
        (
            len(HEADS) + len(ACUITY),
            len(CATEGORIES),
            lambda r: CATEGORIES.index(r.category) if r.category in CATEGORIES else None,
        ),
    )
    for start, count, label in classes:
        mine = [n for n, text in enumerate(batch) if label(text.row) is not None]
        if mine:
            wanted = torch.tensor([label(batch[n].row) for n in mine])
            lost = F.cross_entropy(logits[mine, start : start + count], wanted, reduction="none", label_smoothing=0.05)
            total = total + (lost * weights[mine]).sum() / len(batch)
    return total


def logits_of(net: Any, texts: Sequence[str]) -> tuple[Array, Array]:
    """Logits and vectors of readable texts."""
    import torch

    read = [net.read(text) for text in texts]
    order = sorted(range(len(texts)), key=lambda n: len(read[n]))
    vectors = np.zeros((len(texts), net.heads.in_features), np.float32)
    with torch.inference_mode():
        for at in range(0, len(order), 64):
            mine = order[at : at + 64]
            vectors[mine] = net([read[n] for n in mine]).numpy()
        return net.heads(torch.from_numpy(vectors)).numpy(), vectors


def finish(rows: Sequence[Row], nets: dict[str, Any], out: Path) -> None:
    """Calibrate, choose thresholds, measure the rows set aside, write the weights."""
    card: dict[str, Any] = {"seed": SEED, "rows": len(rows), "calibration": {}, "thresholds": {}, "figures": {}}
    for locale in LOCALES:
        mine = [row for row in rows if row.locale == locale and row.part != "fit"]
        texts = [readable(row.text) for row in mine]
        logits = logits_of(nets["transformer"], texts)[0] + SECOND * logits_of(nets["convolution"], texts)[0]
        calibration = platt(mine, logits)
        p = probabilities(logits, calibration)
        thresholds = limits(mine, p)
        card["calibration"][locale] = calibration.round(4).tolist()
        card["thresholds"][locale] = thresholds
        card["figures"][locale] = figures(mine, p, logits, thresholds)
        print(json.dumps({locale: card["figures"][locale], "thresholds": thresholds}, indent=1), flush=True)
    examples = [row for row in rows if row.source in ("policy", "own") and row.category][::8]
    card["examples"] = [row.text for row in examples]
    about = logits_of(nets["transformer"], card["examples"])[1][:, :SENTENCE]
    others = {"examples": about / np.linalg.norm(about, axis=1, keepdims=True)}
    for name, net in nets.items():
        weight, bias = net.heads.weight.detach().numpy(), net.heads.bias.detach().numpy()
        others[f"heads.{name}"] = np.concatenate([weight, bias[:, None]], 1)
    others |= {f"convolution.{key}": t for key, t in nets["convolution"].tensors().items()}
    keep(out / "guard.safetensors", {f"transformer.{key}": t for key, t in nets["transformer"].tensors().items()}, others)
    (out / "guard.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


def platt(rows: Sequence[Row], logits: Array) -> Array:
    """Platt's slope and offset of each head, from the groups set aside for it. Shape (heads, 2)."""
    from sklearn.linear_model import LogisticRegression

    out = np.tile(np.array([1.0, 0.0], np.float32), (len(HEADS), 1))
    for column, head in enumerate(HEADS):
        mine = [n for n, row in enumerate(rows) if row.part == "calibrate" and head in row.labels]
        labels = [rows[n].labels[head] for n in mine]
        if len(set(labels)) == 2:
            model = LogisticRegression(C=1e3).fit(logits[mine, column : column + 1], labels)
            out[column] = model.coef_[0, 0], model.intercept_[0]
    return out


def probabilities(logits: Array, calibration: Array) -> Array:
    scores = logits[:, : len(HEADS)] * calibration[:, 0] + calibration[:, 1]
    return np.asarray(1.0 / (1.0 + np.exp(-scores)), np.float32)


def calm(row: Row) -> str:
    """The kind of a row as ALLOWED names it."""
    if row.source == "triage" and row.kind in ("routine", "self_care", "question"):
        return "calm"
    if row.source == "crisis" and row.labels["crisis"] == 0:
        return "none"
    if row.kind == "safe document":
        return "document"
    return "benign" if row.kind.startswith("safe ") and row.kind != "safe medical" else row.kind


def limits(rows: Sequence[Row], p: Array) -> dict[str, float]:
    """Thresholds under which no more than the allowed share of any kind of safe text is stopped."""
    found = {}
    for name, (head, allowed) in ALLOWED.items():
        column, least = HEADS.index(head), []
        for kind, share in allowed.items():
            mine = [n for n, r in enumerate(rows) if r.part == "calibrate" and calm(r) == kind and r.labels.get(head) != 1]
            least += [float(np.quantile(p[mine, column], 1 - share))] if mine else []
        found[name] = round(min(0.98, max([0.02, *least])), 4)
    return found


def figures(rows: Sequence[Row], p: Array, logits: Array, thresholds: dict[str, float]) -> dict[str, str]:
    """Shares of the held-out rows that are stopped or raise an alarm, with Wilson's 95 % interval."""
    groups: dict[str, list[tuple[Any, ...]]] = {}
    right: list[bool] = []
    for row, scores, raw in zip(rows, p, logits, strict=True):
        if row.part != "test":
            continue
        by_head = dict(zip(HEADS, map(float, scores), strict=True))
        alarms = [head for head in HEADS[:2] if by_head[head] >= thresholds[head]]
        groups.setdefault(f"{row.source} {row.kind}", []).append((*alarms, *stopped(by_head, thresholds)))
        if "acuity" in row.labels:
            right.append(int(raw[len(HEADS) : len(HEADS) + len(ACUITY)].argmax()) == row.labels["acuity"])
    tests: dict[str, Callable[[tuple[Any, ...]], bool]] = {
        "emergency": lambda s: "emergency" in s, "crisis": lambda s: "crisis" in s, "stopped": lambda s: bool(set(STOPPING) & set(s)),
        "as harm": lambda s: bool({"harmful", "misuse"} & set(s)), "as injection": lambda s: "injection" in s,
    }  # fmt: skip
    lines = {
        kind: f"n={len(stops)}; "
        + "; ".join(
            f"{name} {wilson(sum(map(test, stops)), len(stops))}" for name, test in tests.items() if any(map(test, stops))
        )
        for kind, stops in sorted(groups.items())
    }
    return lines | {"acuity, five classes, right": wilson(sum(right), len(right))}


def wilson(hits: int, n: int) -> str:
    """A share in per cent with its 95 % interval (Wilson 1927). n > 0."""
    share, z2 = hits / n, 1.96**2
    centre, half = share + z2 / 2 / n, 1.96 * (share * (1 - share) / n + z2 / 4 / n / n) ** 0.5
    low, high = ((centre + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    return f"{100 * share:.1f} ({100 * low:.1f}-{100 * high:.1f})"


if __name__ == "__main__":
    main()
