"""The texts that the name finder is trained and measured on, each with its names marked."""

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from finetune.deid_data import Composer, Marked, held_out, read_lists
from finetune.deid_sources import chinese, english, templates, titled

COMPOSED = {"en": 46_000, "zh": 46_000}  # texts
PLAIN = {"en": 17_000, "zh": 17_000}

_EN_SUBJECT = re.compile(
    r"\b(?:[Tt]he patient|Patient|[Mm]y (?:mother|father|son|daughter|wife|husband))\b|(?<=[.] )(?:She|He)\b"
)
_ZH_SUBJECT = re.compile(
    r"(?:^|(?<=[。,，;；:：\n]))(?:患者|病人|患儿)|(?:我|俺)(?:妈妈|爸爸|妈|爸|老公|老婆|儿子|女儿|爷爷|奶奶|朋友|同事)|(?<=[，。,])(?:他|她)|医生|大夫"
)


def training_texts(folder: Path) -> list[Marked]:
    """Composed and public texts, shuffled; none from a held-out frame or name."""
    composer = Composer(read_lists(lambda name: not held_out(name)), seed=1)
    frames = {locale: [f for f in composer.lists.frames[locale] if not held_out(f)] for locale in ("en", "zh")}
    frames["en"] += templates(folder)
    rows: list[Marked] = []
    for locale, sources in (("en", english), ("zh", chinese)):
        plain = list(sources(folder))
        composer.random.shuffle(plain)
        sentences = [text for text in plain if len(text) > (50 if locale == "en" else 15)]
        for n in range(COMPOSED[locale]):
            made = composed(composer, locale, frames[locale]) if n % 5 < 2 else pieced(composer, locale, sentences)
            rows.append(worn(composer, locale, made))
        for text in plain[: PLAIN[locale]]:
            rows.append(named(composer, locale, text) if composer.random.random() < 0.3 else titled(text))
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
    middle, spans = composer.frame(locale, f"{pick(pieces['before'])}{{{slot}}}{pick(pieces['after'])}")
    words = re.split(r"(?<=[\s，。,.;；])" if locale == "en" or pick((True, False)) else "", pick(plain)[:200])
    cut = composer.random.randint(0, len(words))
    before, after = "".join(words[:cut]) if pick((0, 1, 1)) else "", "".join(words[cut:]) if pick((0, 1, 1)) else ""
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
