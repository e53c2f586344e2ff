"""Scripted conversations in both languages: what the fake server says to which message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Frame = Mapping[str, Any]


@dataclass(frozen=True)
class Wait:
    """A pause, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """A pause until the test calls `release(name)`."""

    name: str


@dataclass(frozen=True)
class HangUp:
    """The socket closes with this code."""

    code: int = 1011


Step = Frame | Wait | Hold | HangUp

DISCLAIMER = {
    "en": "This is general health information, not a diagnosis. It does not replace a doctor.",
    "zh": "这里提供一般健康信息，不是诊断，不能代替医生。",
}


def status(stage: str) -> Frame:
    return {"type": "status", "stage": stage}


def sentence(text: str, *citations: str, section: str = "", ledger: str = "guideline") -> Frame:
    return {"type": "sentence", "text": text, "citations": list(citations), "ledger": ledger, "section": section}


def done(kind: str, **more: Any) -> Frame:
    frame = {"type": "done", "turn_id": f"t-{kind}", "kind": kind, "sources": [], "artifacts": [], "disclaimer": ""}
    return {**frame, "model": "scripted", "took_ms": 12, **more}


def source(label: str, passage_id: str, title: str, publisher: str, year: int, url: str | None, passage: str) -> Frame:
    return {
        "label": label, "title": title, "publisher": publisher, "year": year, "url": url,
        "passage": passage, "passage_id": passage_id, "section": passage_id.split("/")[1].split("#")[0],
    }  # fmt: skip


NICE_HEADACHE = (
    "Headaches in over 12s: diagnosis and management (CG150)",
    "NICE",
    2012,
    "https://www.nice.org.uk/guidance/cg150",
)
WHO_HEADACHE = (
    "Migraine and other headache disorders: fact sheet", "WHO", 2024,
    "https://www.who.int/news-room/fact-sheets/detail/headache-disorders",
)  # fmt: skip
CN_MIGRAINE = ("中国偏头痛诊断与治疗指南", "中华医学会神经病学分会", 2023, None)

# claim id -> (English, Chinese); the passage of a claim is its section
CLAIMS: dict[str, tuple[str, str]] = {
    "headache/overview#harmless": (
        "Most headaches are tension-type headache or migraine and are not a sign of a dangerous illness.",
        "大多数头痛是紧张型头痛或偏头痛，并不代表得了危险的疾病。",
    ),
    "headache/overview#tension": (
        "Tension-type headache is a mild or moderate pressing pain on both sides of the head.",
        "紧张型头痛是头部两侧轻到中度的压迫样疼痛。",
    ),
    "headache/self_care#rest": (
        "Rest in a quiet place, drink enough water and keep regular meals and sleep.",
        "在安静的地方休息，多喝水，按时吃饭和睡觉。",
    ),
    "headache/self_care#diary": (
        "Write down when the headache comes and what you took, and show this to your doctor.",
        "记下头痛的时间和用过的药，看医生时带上。",
    ),
    "headache/get_help.emergency#sudden": (
        "Call an ambulance if a severe headache comes on suddenly and is the worst within a few minutes.",
        "头痛突然发作，几分钟内就达到最剧烈时，请立即拨打急救电话。",
    ),
    "headache/get_help.emergency#signs": (
        "Call an ambulance if a headache comes with weakness on one side, trouble speaking, confusion or a seizure.",
        "头痛同时出现一侧肢体无力、说话困难、意识混乱或抽搐时，请立即拨打急救电话。",
    ),
    "headache/get_help.urgent#worse": (
        "Get medical advice the same day if a headache gets steadily worse or wakes you at night.",
        "头痛越来越重或夜里痛醒时，请当天就医。",
    ),
    "headache/get_help.routine#often": (
        "Book a visit if you have a headache on more than four days a month.",
        "每月头痛超过四天，请预约就诊。",
    ),
}
SOURCES = {
    "headache/overview": WHO_HEADACHE, "headache/self_care": CN_MIGRAINE, "headache/get_help.emergency": NICE_HEADACHE,
    "headache/get_help.urgent": NICE_HEADACHE, "headache/get_help.routine": NICE_HEADACHE,
}  # fmt: skip


def passage(passage_id: str, locale: str) -> dict[str, Any] | None:
    """The answer of `GET /api/v1/passages/{id}`, or None when there is no such passage."""
    where = passage_id.split("#")[0]
    if passage_id not in CLAIMS:
        return None
    title, publisher, year, url = SOURCES[where]
    cited = [{"publisher": publisher, "title": title, "year": year, "url": url}]
    claims = [
        {"id": claim, "text": texts[locale == "zh"], "sources": cited, "country": None}
        for claim, texts in CLAIMS.items()
        if claim.split("#")[0] == where
    ]
    topic, section = where.split("/")
    name = "头痛" if locale == "zh" else "Headache"
    return {"id": passage_id, "topic": topic, "title": name, "section": section, "claims": claims, "reviewed_on": "2026-11-24"}


def claim(claim_id: str, label: str, locale: str) -> Frame:
    return sentence(CLAIMS[claim_id][locale == "zh"], label, section=claim_id.split("/")[1].split("#")[0])


def answer(locale: str) -> Sequence[Step]:
    """A complete answer about headache, grouped by section, with five sources."""
    labels = {where: f"E{n}" for n, where in enumerate(SOURCES, start=1)}
    said = [claim(one, labels[one.split("#")[0]], locale) for one in CLAIMS]
    firsts = {where: next(one for one in CLAIMS if one.startswith(where + "#")) for where in SOURCES}
    sources = [
        source(labels[where], firsts[where], *SOURCES[where], CLAIMS[firsts[where]][locale == "zh"]) for where in SOURCES
    ]
    reason = (
        "您说头痛已经两天，没有提到危险信号。" if locale == "zh" else "You wrote of two days of headache and of no danger sign."
    )
    level = {
        "type": "disposition",
        "level": "self_care",
        "reasons": [{"rule": "headache-plain", "text": reason, "citation": "", "words": []}],
    }
    stages = [status("checking"), status("reading"), status("thinking"), status("verifying")]
    return [*stages, level, *said, done("answer", disposition="self_care", sources=sources, disclaimer=DISCLAIMER[locale])]


EMERGENCY = {
    "en": [
        sentence("Call 120 now, or have someone near you call."),
        sentence("Sit down and rest in the position that is easiest for you."),
        sentence("Do not drive yourself to the hospital."),
        sentence("Unlock the door and keep your phone with you."),
    ],
    "zh": [
        sentence("请立即拨打120，或请身边的人拨打。"),
        sentence("坐下休息，采取最舒服的姿势。"),
        sentence("不要自己开车去医院。"),
        sentence("打开门锁，把手机放在身边。"),
    ],
}
EMERGENCY_REASON = {
    "en": ("Chest pain that spreads to the arm can be a heart attack.", ["chest pain", "left arm"]),
    "zh": ("胸痛放射到手臂可能是心脏病发作。", ["胸口痛", "左胳膊"]),
}


def emergency(locale: str) -> Sequence[Step]:
    text, words = EMERGENCY_REASON[locale]
    reasons = [{"rule": "chest-pain", "text": text, "citation": "", "words": words}]
    level = {"type": "disposition", "level": "emergency", "reasons": reasons}
    end = done("emergency", disposition="emergency", call={"ambulance": "120", "lines": []})
    return [status("checking"), level, *EMERGENCY[locale], end]


CRISIS = {
    "en": [
        sentence("I am glad you told me. What you feel is heavy, and you deserve help with it."),
        sentence("You can talk to someone right now, by day or night."),
        sentence("Is someone with you, and are you safe at this moment?"),
    ],
    "zh": [
        sentence("谢谢您愿意说出来。您承受的很沉重，也值得得到帮助。"),
        sentence("现在就可以找人谈谈，白天夜里都可以。"),
        sentence("此刻有人陪在您身边吗？您现在安全吗？"),
    ],
}
LINES = {
    "en": {"name": "Mental health helpline", "phone": "12356", "url": None},
    "zh": {"name": "全国统一心理援助热线", "phone": "12356", "url": None},
}


def crisis(locale: str) -> Sequence[Step]:
    call = {"ambulance": "120", "lines": [LINES[locale]]}
    return [status("checking"), *CRISIS[locale], done("crisis", call=call)]


REFUSAL = {
    "en": "I cannot tell you to change the dose of a medicine that was prescribed for you.",
    "zh": "我不能建议您自行更改医生开的药量。",
}


def refusal(locale: str) -> Sequence[Step]:
    return [status("checking"), sentence(REFUSAL[locale]), done("refusal")]


QUESTION = {
    "en": (
        "Did the headache start suddenly, within a minute?",
        [("yes", "Yes, suddenly"), ("no", "No, slowly"), ("unknown", "I am not sure")],
    ),
    "zh": ("头痛是不是在一分钟内突然开始的？", [("yes", "是，突然开始"), ("no", "不是，慢慢开始"), ("unknown", "说不清")]),
}


def question(locale: str) -> Sequence[Step]:
    text, choices = QUESTION[locale]
    asked = {
        "type": "question", "question_id": "onset", "text": text,
        "choices": [{"value": value, "label": label} for value, label in choices],
    }  # fmt: skip
    return [status("checking"), status("thinking"), asked, done("question")]


def unavailable(_: str) -> Sequence[Step]:
    return [status("checking"), done("unavailable")]


ASKED = {
    "answer": {"en": "I have had a headache for two days", "zh": "我头痛两天了"},
    "emergency": {"en": "I have chest pain and my left arm feels numb", "zh": "我胸口痛，左胳膊发麻"},
    "crisis": {"en": "I do not want to live any more", "zh": "我不想活了"},
    "refusal": {"en": "Can I double my blood pressure tablets?", "zh": "降压药我可以加倍吃吗？"},
    "question": {"en": "My head hurts", "zh": "我头疼"},
    "unavailable": {"en": "What helps against a cold?", "zh": "感冒怎么办？"},
}
SCRIPTS = {
    "answer": answer, "emergency": emergency, "crisis": crisis,
    "refusal": refusal, "question": question, "unavailable": unavailable,
}  # fmt: skip


def plays() -> dict[str, list[Sequence[Step]]]:
    """Message text -> what is said to it, for every scenario in both languages."""
    return {ASKED[name][locale]: [script(locale)] for name, script in SCRIPTS.items() for locale in ("en", "zh")}
