"""Keeps eponyms, drugs, general words, countries and states from being taken for people and places."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from safety.deid_names import zipf
from safety.deid_rules import POLICY, Found
from safety.policy_files import read_yaml, strings

WORDS_PATH = POLICY / "deid_words.yaml"
COMMON = 4  # step of the Zipf scale from which a word alone does not tell that a further mention is the person
COMMON_ZH = 4  # and from which a Chinese word is not taken for a name unless it is introduced as one
SMALL = 0.6  # score that a name without a capital needs

_TITLE = re.compile(r"^(?:Drs?|Mrs?|Ms|Miss|Mx|Prof(?:essor)?|Doctor|Nurse)\b\.?\s*", re.I)
_TITLED = re.compile(r"(?:\b(?:Drs?|Mrs?|Ms|Miss|Mx|Prof(?:essor)?|Doctor|Nurse)\.?|[Mm]y name is|[Nn]amed|[Nn]ame:)\s*$")
_AFTER = re.compile(r"(?:['’]s?)?[\s-]*(\w+)")
_LEADING = re.compile(r"[\s,.;:、，。()（）-]*")
_WORD_BEFORE = re.compile(r"(?:(?:[^\W\d_\u3400-\u9fff]+[-'’]|(?<![^\W\d_])[A-Z]\. ?)*)$")
_WORD_AFTER = re.compile(r"(?:[-'’](?!s\b)[^\W\d_\u3400-\u9fff]{2,})*")
_CJK = re.compile(r"[\u3400-\u9fff]")
_UNSURE = ("net", "姓氏提示")
_TITLES_ZH = ("医生", "先生", "女士", "主任", "教授", "大夫")
_HONOURED = re.compile(
    "医生|先生|女士|主任|教授|大夫|小姐|护士|阿姨|叔叔|老师|同志|医师|院长|奶奶|爷爷|大[爷妈]|某|[X×*]|氏|总|工|哥|姐|太太|师傅|博士|同学"
)
_CALLED_ZH = re.compile("(?:叫|姓名|名字是|[:：])[ ]?$")
_NEAR_ZH = re.compile("(?:[老小姓阿]|免贵)$")
_NOT_HEADS = ("病史", "术者", "病情", "片子")  # these begin like the head of an eponym


@dataclass(frozen=True, slots=True)
class Words:
    """The lists of `policy/deid_words.yaml`."""

    eponyms: frozenset[str]
    heads: frozenset[str]
    plain: frozenset[str]
    general: frozenset[str]
    stays: frozenset[str]
    drug_endings: tuple[str, ...]
    heads_zh: tuple[str, ...]
    plain_zh: tuple[str, ...]
    general_zh: frozenset[str]

    @classmethod
    def load(cls, path: Path = WORDS_PATH) -> "Words":
        """Reads the file. Raises PolicyError naming file and line."""
        data, where = read_yaml(path), str(path)
        states = strings(read_yaml(POLICY / "deid.yaml"), "states", str(POLICY / "deid.yaml"))

        def lower(*keys: str) -> frozenset[str]:
            return frozenset(word.lower() for key in keys for word in strings(data, key, where))

        stays = lower("countries_en", "states_zh") | {s.lower() for s in states} - {"new york", "washington"}
        return cls(
            lower("eponyms_en", "drugs_en"), lower("eponym_heads_en"), lower("plain_en"), lower("general_en"), stays,
            tuple(strings(data, "drug_endings", where)), tuple(strings(data, "eponym_heads_zh", where)),
            tuple(sorted(strings(data, "plain_zh", where), key=len, reverse=True)), lower("general_zh"),
        )  # fmt: skip

    def judge(self, text: str, found: Found) -> Iterator[Found]:
        """The candidate without its title or ending, or nothing when it is a word of medicine or of everyday use."""
        if found.type != "NAME" and found.rule != "net":
            yield found
            return
        one = _trimmed(text, found)
        value = text[one.start : one.end]
        if not value or value.lower() in self.stays or not any(c.isalpha() for c in value):
            return
        if one.type == "NAME" and (self._chinese_word(text, one) if _CJK.search(value) else self._english_word(text, one)):
            return
        if one.rule == "net" and one.type != "NAME" and (len(value) < 2 or value.lower() in self.plain | self.eponyms):
            return
        if one.type == "ORGANIZATION" and (
            value in self.general_zh or all(w in self.general for w in re.findall(r"[\w'’-]+", value.lower()))
        ):
            return
        yield one

    def telling(self, name: str) -> bool:
        """Whether a further mention of this name is surely the same person."""
        if _CJK.search(name):
            return len(name) >= 3
        words = re.findall(r"[^\W\d_]{3,}", name)
        return bool(words) and name[0].isupper() and all(zipf("en", w.lower()) < COMMON for w in words)

    def _english_word(self, text: str, found: Found) -> bool:
        value, before = text[found.start : found.end], text[max(0, found.start - 16) : found.start]
        if found.rule == "net" and value.islower() and found.score < SMALL:
            return True
        words = [w.lower() for w in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", value)]
        if not words or (all(w in self.plain for w in words)):
            return True
        if found.rule != "net" or _TITLED.search(before):
            return False
        after = _AFTER.match(text, found.end)
        if (
            len(words) <= 2
            and after
            and after[1].lower() in self.heads
            and text[found.end : found.end + 1] not in (",", ".", ";", ":", "\n")
        ):
            return True
        if len(words) == 1:
            return words[0] in self.eponyms or (words[0].endswith(self.drug_endings) and len(words[0]) > 5)
        return words[0] in self.eponyms and (words[-1] in self.heads or words[-1] in self.eponyms)

    def _chinese_word(self, text: str, found: Found) -> bool:
        value, after = text[found.start : found.end], text[found.end : found.end + 4]
        if len(value) == 1 and found.rule == "net" and not (_NEAR_ZH.search(text[: found.start]) or _HONOURED.match(after)):
            return True
        longer = (word for word in self.plain_zh if (value + after).startswith(word) and len(word) >= len(value))
        if next(longer, None) or (
            found.rule == "net" and zipf("zh", value) >= COMMON_ZH and not _CALLED_ZH.search(text[: found.start])
        ):
            return not after.startswith(_TITLES_ZH)
        return found.rule in _UNSURE and after.startswith(self.heads_zh) and not after.startswith(_NOT_HEADS)


def _trimmed(text: str, found: Found) -> Found:
    """Without title, signs and endings, and with the whole of a word whose part was found."""
    start, end = found.start, found.end
    start += len(_LEADING.match(text[start:end])[0])  # type: ignore[index]  # matches anything
    if title := _TITLE.match(text[start:end]):
        start += title.end()
    if found.rule == "net" and start < end and not _CJK.search(text[start:end]):
        start -= len(_WORD_BEFORE.search(text[max(0, start - 30) : start])[0])  # type: ignore[index]
        end += len(_WORD_AFTER.match(text[end : end + 30])[0])  # type: ignore[index]
    tail = re.search(r"(?:['’]s?)?[\s,.;:、，。(（]*$", text[start:end])
    initial = re.search(r"\b[A-Z]\.$", text[start:end])
    end -= len(tail[0]) if tail and not initial else 0
    return replace(found, start=start, end=max(start, end))
