"""Trains and measures the name finder of `safety.deid_names`.

`python -m finetune.deid --data DIR` composes the texts, trains on one thread (ten to fifteen minutes), sets the floors on frames
and names that were not trained on, and writes the weights. `python -m finetune.deid_figures` measures the whole.
"""

import argparse
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.deid_data import Composer, Marked, held_out, read_lists
from finetune.deid_sources import chinese, english, templates, titled
from safety.deid_names import BUCKETS, DILATIONS, KINDS, TAGS, WEIGHTS, NameFinder, decode, features, tokens

WIDTH, HIDDEN = 36, 96
COMPOSED = {"en": 46_000, "zh": 46_000}  # texts
PLAIN = {"en": 17_000, "zh": 17_000}
EPOCHS, BATCH, RATE = 4, 256, 4e-3
LONGEST = 120  # tokens of a training text
Example = tuple[list[tuple[int, ...]], NDArray[np.int64]]

_EN_SUBJECT = re.compile(
    r"\b(?:[Tt]he patient|Patient|[Mm]y (?:mother|father|son|daughter|wife|husband))\b|(?<=[.] )(?:She|He)\b"
)
_ZH_SUBJECT = re.compile(
    r"(?:^|(?<=[。,，;；:：\n]))(?:患者|病人|患儿)|(?:我|俺)(?:妈妈|爸爸|妈|爸|老公|老婆|儿子|女儿|爷爷|奶奶|朋友|同事)|(?<=[，。,])(?:他|她)|医生|大夫"
)


def main() -> None:
    """Train, set the floors, write the weights and print the figures on frames and names that were held out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--everything", action="store_true", help="train on what is held out too, with the floors of --out")
    asked = parser.parse_args()
    started = time.perf_counter()
    rows = training_texts(asked.data, asked.everything)
    examples = [encode(row) for row in rows]
    print(f"{len(rows)} texts, {sum(len(e[1]) for e in examples)} tokens, {time.perf_counter() - started:.0f} s", flush=True)
    weights = train(examples)
    if asked.everything:
        floors = NameFinder.load(asked.out).floors
    else:
        save(weights, dict.fromkeys(KINDS, 0.5), asked.out)
        floors = choose_floors(NameFinder.load(asked.out), held_out_texts(asked.data))
    save(weights, floors, asked.out)
    print(json.dumps({"floors": floors, "took_s": round(time.perf_counter() - started)}), flush=True)


def training_texts(folder: Path, everything: bool = False) -> list[Marked]:
    """Composed and public texts, shuffled; none from a held-out frame or name unless `everything`."""
    composer = Composer(read_lists(lambda name: everything or not held_out(name)), seed=1)
    frames = {locale: [f for f in composer.lists.frames[locale] if everything or not held_out(f)] for locale in ("en", "zh")}
    frames["en"] += templates(folder, everything)
    rows: list[Marked] = []
    for locale, sources in (("en", english), ("zh", chinese)):
        plain = list(sources(folder))
        composer.random.shuffle(plain)
        sentences = [text for text in plain if len(text) > (50 if locale == "en" else 15)]
        for n in range(COMPOSED[locale]):
            made = composed(composer, locale, frames[locale]) if n % 5 < 2 else pieced(composer, locale, sentences)
            rows.append(worn(composer, locale, made))
        for text in plain[: PLAIN[locale]]:
            rows.append(named(composer, locale, text) if composer.random.random() < 0.5 else titled(text))
    composer.random.shuffle(rows)
    return rows


def held_out_texts(folder: Path) -> list[Marked]:
    """Frames and names that were not trained on, and public texts from the end of each list."""
    composer = Composer(read_lists(held_out), seed=2)
    rows: list[Marked] = []
    for locale in ("en", "zh"):
        frames = [f for f in composer.lists.frames[locale] if held_out(f)]
        rows += [composer.frame(locale, composer.random.choice(frames)) for _ in range(1500)]
    plain = list(chinese(folder))
    random.Random(1).shuffle(plain)
    return rows + [titled(text) for text in plain[-800:]]


def composed(composer: Composer, locale: str, frames: Sequence[str]) -> Marked:
    """One to three filled frames after one another."""
    text, spans = "", list[tuple[int, int, str]]()
    for _ in range(composer.random.choice((1, 1, 2, 3))):
        more, marks = composer.frame(locale, blurred(composer, composer.random.choice(frames)))
        if text:
            text += composer.random.choice(("\n", " ", " ") if locale == "en" else ("\n", "", "。"))
        spans += [(start + len(text), end + len(text), kind) for start, end, kind in marks]
        text += more
    return text, spans


def blurred(composer: Composer, template: str) -> str:
    """The frame, or a part of it with some words missing: the net must not learn frames by heart."""
    chance = composer.random.random()
    if chance < 0.3:
        return template
    units = re.findall(r"\{\w+\}|[^\W\d_\u3400-\u9fff]+|.|\n", template)
    start = composer.random.randrange(len(units)) // 2 if chance < 0.6 else 0
    end = len(units) - (composer.random.randrange(len(units)) // 2 if chance > 0.5 else 0)
    kept = [u for u in units[start:end] if u[0] == "{" or not u.isalpha() or composer.random.random() > 0.12]
    return "".join(kept)


def pieced(composer: Composer, locale: str, plain: Sequence[str]) -> Marked:
    """A name between pieces that often stand beside one, put into a public text at random."""
    pick = composer.random.choice
    kind = pick(("NAME", "NAME", "NAME", "LOCATION", "ORGANIZATION"))
    pieces = composer.lists.frames["pieces"][locale][kind]
    slot = {"NAME": pick("NNNGGFII"), "LOCATION": "L", "ORGANIZATION": "O"}[kind]
    # half of the time the public text itself stands beside the name
    sides = [pick(pieces[side]) if pick((True, False)) else "" for side in ("before", "after")]
    middle, spans = composer.frame(locale, f"{sides[0]}{{{slot}}}{sides[1]}")
    words = re.split(r"(?<=[\s，。,.;；])" if locale == "en" or pick((True, False)) else "", pick(plain)[:200])
    cut = composer.random.randint(0, len(words))
    before, after = "".join(words[:cut]) if pick((0, 1, 1, 1)) else "", "".join(words[cut:]) if pick((0, 1, 1, 1)) else ""
    glue = " " if locale == "en" and after and after[0].isalnum() else ""
    before += " " if locale == "en" and before and not before[-1].isspace() else ""
    moved = [(start + len(before), end + len(before), kind) for start, end, kind in spans]
    return before + middle + glue + after, moved


def named(composer: Composer, locale: str, text: str) -> Marked:
    """A public text with names put beside or in the place of the words for people."""
    out, spans, last = "", list[tuple[int, int, str]](), 0
    for match in (_EN_SUBJECT if locale == "en" else _ZH_SUBJECT).finditer(text):
        if composer.random.random() < 0.5:
            continue
        before, name, after = _beside(composer, locale, match[0])
        out += text[last : match.start()] + before
        spans.append((len(out), len(out) + len(name), "NAME"))
        out, last = out + name + after, match.end()
    return out + text[last:], spans


def _beside(composer: Composer, locale: str, word: str) -> tuple[str, str, str]:
    culture, chance = composer.random.choice(composer.lists.cultures), composer.random.random()
    name: Callable[[str], str] = lambda slot: composer.value(locale, slot, culture)  # noqa: E731
    if word in ("医生", "大夫"):
        return "", name("F" if chance < 0.7 else "N"), word
    if locale == "zh":
        return ("" if word in "他她" or chance < 0.3 else word), name("N" if chance < 0.8 else "G"), ""
    if word.lower().startswith("my "):
        return f"{word} ", name("G"), ""
    if "atient" in word and chance < 0.3:
        return f"{word}, ", name("N"), ","
    return ("Mr. ", name("F"), "") if chance < 0.5 else ("", name("G" if chance < 0.8 else "N"), "")


def worn(composer: Composer, locale: str, row: Marked) -> Marked:
    """Some texts lose their capitals, as people write in chats; some are all capitals, as in forms."""
    text, spans = row
    chance = composer.random.random()
    changed = text.lower() if chance < 0.14 else text.upper() if chance < 0.17 and locale == "en" else text
    return (changed if len(changed) == len(text) else text), spans


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
    """For each kind the floor with the best F2 (recall counts more than precision) over spans that overlap."""
    ready = [(found, finder.probabilities(found), spans) for text, spans in rows if (found := tokens(text))]
    best: dict[str, float] = {}
    for kind in KINDS:
        figures = {floor: _counts(ready, kind, floor) for floor in (0.3, 0.4, 0.5, 0.6, 0.7)}
        print(kind, {f: tuple(round(x, 3) for x in c) for f, c in figures.items()}, flush=True)
        best[kind] = max(figures, key=lambda f: 5 * figures[f][0] * figures[f][1] / (4 * figures[f][1] + figures[f][0] + 1e-9))
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
