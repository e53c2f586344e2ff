"""Decides for each phrase in a message: denied? about whom? now, past, imagined, or a general question?

The cues (negation, past, general question ...) are data: the concepts of `knowledge/findings.yaml` that start with `cue_`.
In doubt a phrase is current and asserted: an emergency missed costs more than a card too many.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal

from safety.lexicon import Match

Experiencer = Literal["self", "other", "family"]
When = Literal["now", "past", "hypothetical", "general"]

_SENTENCE = re.compile(r"[!?;\n。]+|\.+(?!\d)")
_CLAUSE = re.compile(
    r"[,:]|\b(?:but|however|although|though|and now|now|and then|then|except|because|and today|today|and my|yet|and im|and i)\b"
    r"|但|不过|可是|只是|现在|而且|然后|另外|今天|突然|刚才|刚刚|后来|如今|这次|最近"
)
_STOP = re.compile(  # what ends the reach of a negation
    r"\b(?:but|however|except|although|though|because|since|now|so|until|and i|and my|and im|and he|and she|then|still|yet|"
    r"i|im|ive|he|hes|she|shes|they|is|are|was|has|feel|feels|started|got|getting|keeps?|can|cant|wont|just|only|my)\b"
    r"|但|不过|可是|只是|就是|却|现在|突然|今天|昨天|后来|一直|总是|还有|反而|我"
)
_NEGATION_REACH_EN, _NEGATION_REACH_ZH = 60, 5  # characters
_TIGHT = frozenset("不无非未")  # these deny only what follows at once
_DENIED_AFTER = re.compile(  # "chest pain: no"; but "chest pain no fever" denies the fever only
    r" ?(?:[:=-]|is|was|are) ?(?:no|none|negative|denied|absent|not present)(?= ?(?:[,.;!?\n)]|$))"
    r"| (?:no|none|negative|denied|absent)(?: reported| noted| at all)?(?= ?(?:[,.;!?\n)]|$))|\s?(?:[:=]\s?(?:无|没有|否认)|\((?:-|无)\))"
)
_EXPLICIT = re.compile(r"den(?:y|ies|ied)|negative for|free (?:of|from)|否认")  # these deny a whole list, whatever stands in it
_EXPLICIT_REACH = 120
_LISTED = re.compile(r"(?:[^,。;!?、]{1,8}、)+")  # between 无 and a later member of its list: "无发热、咳嗽、胸痛"
_BARE_LIST = re.compile(  # "denies fever, chills, chest pain." and no word that tells something
    r" ?[a-z]+(?: [a-z]+){0,2}(?:, ?(?!(?:but|has|have|had|now|since|with|started|still|is|are)\b)[a-z]+(?: (?!(?:but|has|have|had|now|since|with|started|still|is|are|for|today)\b)[a-z]+){0,2})+ ?(?:$|[.;!?\n])"
)
_TROUBLE = re.compile(  # "no breathing problems" denies a problem, "no breathing" tells one
    r"(?:[ /]{1,2}(?:(?:or|and|nor) )?(?:bowel|bladder|urinary|visual|vision|eye|heart|breathing|speech|control|function)){0,3}"
    r" (?:problem|issue|trouble|difficult|symptom|complaint|change|concern|disturbance|loss(?! of)|disorder|abnormal)[a-z]*"
    r"| (?:too |very |so |that )?(?:fast|faster|hard|heav|quick|rapid|nois)[a-z]*"
    r"|困难|急促|不畅|短|喘(?!不)|促|急|费力|问题|异常|障碍|症状|不适|不舒服|道|过速|过缓"
)
_LACKS = re.compile(
    r"(?:no|without) (?:[a-z]+ )?(?:breath|breathing|vision|sight|eyesight|bladder|bowels?|speech|pulse|heartbeat|hearing|balance|control)"
    r"|not breathing|(?:没有|没|无)(?:呼吸|气|视力|听力|意识|大?小便|尿|吞咽|语言|心跳)"
)
_TAKEN_AS = re.compile(  # what may stand between a denial and a disease or medicine: "not on any blood thinners"
    r"(?: *\b(?:on|taking|take|takes|using|use|uses|a|an|any|known|recent|recently|had|have|having|got|been|prescribed|prior|"
    r"previous|past|major|type|of|history|other|family|diagnosed|with|is|to)\b)* ?"
    r"|(?:过|有|任何|在|吃|用|服用|服|做|得|患|明显|近期|最近|什么|其他|既往|是)*"
)
_MISSED = re.compile(r"(?:didnt|did not|havent|have not|hasnt|has not|hadnt)\b.*\b(?:taken|take|had|got|used|using|on)\b ?")
_EVENT = re.compile(r"surg|operat|flight|plane|cancer|transplant|chemo|diabet|clot|dvt|birth|section|手术|癌|移植|化疗")
_UNAFFECTED = re.compile(  # "眼睛没有不适": a place that is named to say that nothing is wrong there
    r"(?<=[眼睛耳朵鼻嘴口腔咽喉舌唇脸头脖颈肩背胸腹肚腰臀腿膝脚手指臂肘肤腔道部])(?:也|都|现在|目前|倒)?"
    r"(?:没事|正常|没有?(?:什么|任何|明显)?(?:不适|问题|异常|不舒服|症状|影响|受影响|受累|累及))(?!吧|吗|么|嘛|呢|\?|了吗)"
)
_NEEDED = re.compile(  # to be without one of these is no sign that one does not need it: "no insulin left"
    r"insulin|metformin|gliclazide|hydrocorti|steroid|predniso|tetanus|vaccin|immunis|immuniz|spleen"
    r"|胰岛素|降糖药|激素|可的松|强的松|破伤风|疫苗|接种|脾"
)
_ONGOING = re.compile(r"\b(?:still|ever since|keeps?|wont go|hasnt gone|not gone|ongoing)\b|一直|仍|至今|到现在|还在|还是|反复")
_FEAR_REACH = 45
_FEAR_ENDS = re.compile(  # what follows is told, not feared: "worried, he cant breathe"
    r"[,:]|\b(?:and|but|because|since|now|so|as|that|i|im|ive|he|hes|she|shes|they|my|his|her|is|are|has|have|cant|keeps?)\b"
    r"|但|现在|突然|因为|而且|今天|昨天|我|所以|一直"
)
_LONGEST = 120  # characters; no phrase is longer
_ASKS = re.compile(
    r"\s*(?:and |but |so |also |hi |hello |doctor |,)*(?:what|how|why|is|are|can|does|do|which|when|who|should|will|could|would|where)\b"
)
_ASKS_OF_THIS = re.compile(
    r"\s*(?:is|are|could|can|should|what) (?:this|it|that|these|to do|do i|should i|can i|i)\b|\b(?:i|my|me|we|he|she|his|her)\b"
)


class Context:
    """The sentences, clauses and cues of one normalised message."""

    def __init__(self, text: str, matches: Sequence[Match]) -> None:
        self.text = text
        self._cues: dict[str, list[Match]] = {}
        for match in matches:
            if match.concept.startswith("cue_"):
                self._cues.setdefault(match.concept[4:], []).append(match)
        self._said = [match for match in matches if not match.concept.startswith("cue_")]
        self._ends = [m.end() for m in _SENTENCE.finditer(text)]
        self._clauses = [m.start() for m in _CLAUSE.finditer(text)]
        exceptions = self._cues.get("not_negation", [])
        self._negations = _uncovered(
            self._cues.get("negation", []), [cue for cue in exceptions if not self._denies_trouble(cue)]
        )
        self._general = self._general_sentences()

    def sentence(self, position: int) -> tuple[int, int]:
        """Start and end of the sentence at a position."""
        index = bisect_right(self._ends, position)
        start = self._ends[index - 1] if index else 0
        return start, self._ends[index] if index < len(self._ends) else len(self.text)

    def negated(self, match: Match) -> bool:
        """Whether the phrase is denied: "no chest pain, fever or rash", "胸痛：无"."""
        if _DENIED_AFTER.match(self.text, match.end, match.end + 16) or self._denies_trouble(match):
            return True
        if _UNAFFECTED.match(self.text, match.end):
            return True
        return any(self._reaches(cue, match) for cue in self._negations_before(match))

    def ruled_out(self, match: Match) -> bool:
        """Whether a disease or medicine is denied in so many words: "not diabetic", "not on any blood thinners"."""
        if _NEEDED.search(self.text, match.start, match.end):
            return False
        return bool(_DENIED_AFTER.match(self.text, match.end, match.end + 16)) or any(
            self._rules_out(cue, match) for cue in self._negations_before(match)
        )

    def _negations_before(self, match: Match) -> Sequence[Match]:
        start, _ = self.sentence(match.start)
        first = bisect_left(self._negations, max(start, match.start - _EXPLICIT_REACH - 40), key=_start)
        last = bisect_right(self._negations, match.start, key=_start)
        return self._negations[first:last]

    def _rules_out(self, cue: Match, match: Match) -> bool:
        if cue.end > match.start:
            return False
        if _MISSED.fullmatch(self.text, cue.start, match.start) and not _EVENT.match(self.text, match.start):
            return False  # "i havent taken warfarin today" is said by somebody who does take it
        if _TAKEN_AS.fullmatch(self.text, cue.end, match.start):
            return True
        joined = re.search(r"(?:\bor|\bnor|、|或|和|及|与) ?$", self.text[max(0, match.start - 6) : match.start])
        return bool(joined) and self._reaches(cue, match)

    def _denies_trouble(self, match: Match) -> bool:
        """Whether the phrase carries its own "no", and what it says is lacking is a problem."""
        if not _LACKS.fullmatch(self.text, match.start, match.end):
            return False
        return bool(_TROUBLE.match(self.text, match.end, match.end + 50))

    def _said_with(self, cue: Match, match: Match) -> bool:
        """Whether the negation is part of something else that is said: "not breathing and chest pain"."""
        first = bisect_left(self._said, cue.start - _LONGEST, key=_start)
        last = bisect_right(self._said, cue.start, key=_start)
        return any(cue.end < m.end <= match.start for m in self._said[first:last])

    def _reaches(self, cue: Match, match: Match) -> bool:
        if self._said_with(cue, match):
            return False
        between = self.text[cue.end : match.start]
        word = self.text[cue.start : cue.end]
        if word in _TIGHT and match.start - cue.end > 1 and not (word in "无未" and _LISTED.fullmatch(between)):
            return False
        explicit = bool(_EXPLICIT.match(word)) and (
            self._ends_a_list(between, match, "or|nor|and") or bool(_BARE_LIST.match(self.text, cue.end))
        )
        reach = _EXPLICIT_REACH if explicit else _NEGATION_REACH_EN
        if (
            cue.end > match.start
            or len(between) > reach
            or between.startswith(",")
            or "," in self.text[cue.start : cue.end]
            or _STOP.search(between)
        ):
            return False
        chinese = ord(self.text[cue.end - 1]) > 0x2E80
        parts = re.split(r"[、,/]|和|或|及|与|\bor\b|\band\b|\bnor\b", between)
        if len(parts) == 1:
            return len(between) <= (_NEGATION_REACH_ZH if chinese else _NEGATION_REACH_EN // 2)
        if len(parts[-1].strip()) > (3 if chinese else 16) or any(len(p.split()) > 3 for p in parts):
            return False
        first_end = cue.end + len(parts[0]) + 1
        # a list goes on only when what was denied first is itself something one can have
        had = bisect_left(self._said, cue.end, key=_start) < bisect_left(self._said, first_end, key=_start)
        if re.search(r"\b(?:or|nor|and)\b[^,]*,", between) or (
            "," in between and not explicit and not self._ends_a_list(between, match)
        ):
            return False  # "no fever, vomiting and drowsy" denies the fever; "no fever, vomiting or rash" denies all three
        return had or explicit or ("," not in between and len(parts[0].split()) <= 2)

    def _ends_a_list(self, between: str, match: Match, last: str = "or|nor") -> bool:
        """Whether "or" stands before the phrase or after it in its list: "denies sore throat, cough or chest pain"."""
        after = self.text[match.end : match.end + _NEGATION_REACH_EN]
        return bool(
            re.search(rf"\b(?:{last})\b|、|或", between)
            or re.match(rf"(?:, ?[a-z]+(?: [a-z]+){{0,2}}){{0,3}},? (?:{last}) ", after)
        )

    def experiencer(self, match: Match) -> Experiencer:
        """Whose finding it is. `family` is history: "my father died of a stroke"."""
        start, end = self.sentence(match.start)
        if self._any("family", start, end):
            return "family"
        for begin, stop in ((start, match.end), (match.end, end), (0, start), (end, len(self.text))):
            nearest = self._nearest(begin, stop, last=stop <= match.end)
            if nearest:
                return nearest
        return "self"

    def _nearest(self, begin: int, stop: int, *, last: bool) -> Experiencer | None:
        """Whom the last (or first) word for a person between two places means."""
        other, own = self._within("other", begin, stop), self._within("self", begin, stop)
        if not other or not own:
            return "other" if other else "self" if own else None
        if last:
            return "other" if other[-1].start >= own[-1].start else "self"
        return "other" if other[0].start <= own[0].start else "self"

    def when(self, match: Match) -> When:
        """Whether it happens now, or is past, imagined or feared, or only asked about."""
        start, end = self.sentence(match.start)
        if (start, end) in self._general:
            return "general"
        if self._any("hypothetical", start, match.start + 1):
            return "hypothetical"
        left, right = self._clause(match, start, end)
        feared = self._within("fear", max(start, match.start - _LONGEST), match.start)
        if any(self._fears(cue, match) for cue in feared) and not self._any("now", match.start, right):
            return "hypothetical"
        if self._any("topic", left, right) and not self._personal(start, end):
            return "general"
        if (
            self._any("past", left, right)
            and not self._any("now", left, right)
            and not _ONGOING.search(self.text, match.start, end)
        ):
            return "past"
        return "now"

    def _fears(self, cue: Match, match: Match) -> bool:
        """Whether the phrase is what is feared or avoided. What stands beside a fear is told: "so anxious, cant breathe"."""
        if match.end <= cue.end:
            return True
        between = self.text[cue.end : match.start]
        return len(between) <= _FEAR_REACH and not _FEAR_ENDS.search(between)

    def _clause(self, match: Match, start: int, end: int) -> tuple[int, int]:
        index = bisect_right(self._clauses, match.start)
        left = max(start, self._clauses[index - 1]) if index else start
        index = bisect_left(self._clauses, match.end, index)
        after = self._clauses[index] if index < len(self._clauses) else end
        return left, min(end, after)

    def _general_sentences(self) -> set[tuple[int, int]]:
        general: set[tuple[int, int]] = set()
        carried, start = False, 0
        for stop in [*self._ends, len(self.text)]:
            sentence, start = (start, stop), stop
            personal = self._personal(*sentence)
            asked = self._any("general", *sentence) or self._asks(*sentence)
            if not personal and (asked or carried):
                general.add(sentence)
            carried = not personal and (asked or carried)
        if general and any(
            self._any("it_is_me", *s) for s in zip([0, *self._ends], [*self._ends, len(self.text)], strict=True)
        ):
            return set()  # "Can stress cause chest pain? I have had it for two days."
        return general

    def _personal(self, start: int, end: int) -> bool:
        return self._any("personal", start, end) or self._any("now", start, end)

    def _asks(self, start: int, end: int) -> bool:
        """An English question about a thing, not about a person who is ill: "Are febrile seizures harmful?"."""
        return bool(_ASKS.match(self.text, start, end)) and not _ASKS_OF_THIS.search(self.text, start, end)

    def _within(self, cue: str, start: int, end: int) -> list[Match]:
        cues = self._cues.get(cue, [])
        return cues[bisect_left(cues, start, key=_start) : bisect_left(cues, end, key=_start)]

    def _any(self, cue: str, start: int, end: int) -> bool:
        return self._count(cue, start, end) > 0

    def _count(self, cue: str, start: int, end: int) -> int:
        cues = self._cues.get(cue, [])
        return bisect_left(cues, end, key=_start) - bisect_left(cues, start, key=_start)


def _start(match: Match) -> int:
    return match.start


def _uncovered(matches: Sequence[Match], by: Sequence[Match]) -> list[Match]:
    """The matches that lie in none of the others; both in text order."""
    starts = [other.start for other in by]
    kept = []
    for match in matches:
        around = by[bisect_left(starts, match.start - _LONGEST) : bisect_right(starts, match.start)]
        if not any(match.end <= other.end for other in around):
            kept.append(match)
    return kept
