"""What a message is read into: who has what, whether it is denied, past, imagined or only asked about."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.findings import FINDINGS_PATH, Reader
from safety.phrases import compile_phrase
from safety.types import PatientContext, PolicyError
from safety.vitals import ages, vital_test, vitals

READER = Reader.load()
NOTHING_KNOWN = PatientContext()


def active(text: str, patient: PatientContext = NOTHING_KNOWN) -> set[str]:
    return set(READER.read(text, patient).active)


ASSERTED = [
    ("I have chest pain", "chest_pain_plain"),
    ("no chest pain but my left arm is numb", "one_side_weak"),
    ("not only is my chest tight, I also have a fever", "chest_pain"),
    ("I can't breathe", "cant_breathe"),
    ("no cough. chest pain since noon", "chest_pain_plain"),
    ("I dont know why but my chest hurts", "chest_pain_plain"),
    ("没有发烧，但是胸口疼", "chest_pain_plain"),
    ("不知道为什么胸痛", "chest_pain_plain"),
    ("胸口疼得不行", "chest_pain_plain"),
    ("不仅胸闷，还喘不上气", "cant_breathe"),
]
DENIED = [
    ("no chest pain", "chest_pain_plain"),
    ("I don't have any chest pain or fever", "fever"),
    ("he denies chest pain, fever and rash", "fever"),
    ("never had a seizure", "seizure"),
    ("cough without fever", "fever"),
    ("chest pain: no", "chest_pain_plain"),
    ("没有胸痛", "chest_pain_plain"),
    ("没有胸痛、发烧", "fever"),
    ("否认胸痛", "chest_pain_plain"),
    ("无发热，咳嗽三天", "fever"),
    ("胸口不痛", "chest_pain_plain"),
]
NOT_NOW = [
    ("What causes chest pain?", "chest_pain_plain", "general"),
    ("can stress cause chest pain?", "chest_pain_plain", "general"),
    ("胸痛有哪些原因", "chest_pain_plain", "general"),
    ("what should I do if someone has a seizure", "seizure", "general"),
    ("如果有人抽搐怎么办", "seizure", "hypothetical"),
    ("I had chest pain three years ago", "chest_pain_plain", "past"),
    ("去年胸痛过", "chest_pain_plain", "past"),
    ("I'm afraid of having a seizure", "seizure", "hypothetical"),
]


@pytest.mark.parametrize(("text", "concept"), ASSERTED)
def test_what_is_said_stays_said_beside_a_negation(text: str, concept: str) -> None:
    assert concept in active(text)


@pytest.mark.parametrize(("text", "concept"), DENIED)
def test_what_is_denied_is_not_active(text: str, concept: str) -> None:
    assert concept not in active(text)


@pytest.mark.parametrize(("text", "concept", "when"), NOT_NOW)
def test_what_is_past_imagined_or_general_is_told_apart(text: str, concept: str, when: str) -> None:
    found = [item for item in READER.read(text).items if item.concept == concept]
    assert found
    assert {item.when for item in found} == {when}


def test_a_question_becomes_personal_when_the_asker_says_they_have_it() -> None:
    assert "chest_pain_plain" not in active("Can stress cause chest pain?")
    assert "chest_pain_plain" in active("Can stress cause chest pain? I have had it for two hours.")


@pytest.mark.parametrize(
    ("text", "about_other"),
    [("my dad has chest pain", True), ("I have chest pain", False), ("我妈胸痛", True), ("我胸痛", False)],
)
def test_it_knows_whether_the_writer_or_somebody_else_is_ill(text: str, about_other: bool) -> None:
    assert READER.read(text).about_other is about_other


def test_offsets_point_at_the_words_as_they_were_written() -> None:
    text = "Hello\u200b！ My CHEST\u200b really   hurts"
    finding = READER.read(text).active["chest_pain_plain"]
    assert text[finding.start : finding.end] == finding.words
    assert finding.words.startswith("CHEST")


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("i have ch\u200best pa\u200bin", "chest_pain_plain"),
        ("ＣＨＥＳＴ ＰＡＩＮ", "chest_pain_plain"),
        ("I can’t breathe", "cant_breathe"),
        ("having a siezure", "seizure"),
        ("unconcious on the floor", "unresponsive"),
        ("feeling su1c1dal", "si_active"),
        ("s u i c i d a l", "si_active"),
        ("我头痛得很厉害", "headache_severe"),
        ("胸 口 疼", "chest_pain_plain"),
        ("我有chest pain", "chest_pain_plain"),
    ],
)
def test_spelling_tricks_and_typos_are_undone(text: str, concept: str) -> None:
    assert concept in active(text)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("bp 182/121", "systolic", 182),
        ("blood pressure of 85 over 50", "systolic", 85),
        ("血压210/130", "diastolic", 130),
        ("SpO2 88%", "spo2", 88),
        ("血氧只有86", "spo2", 86),
        ("heart rate is 145", "heart_rate", 145),
        ("temp of 38.4", "temperature", 38.4),
        ("fever of 103 F", "temperature", 39.4),
        ("发烧39度8", "temperature", 39.8),
        ("sugar was 2.4", "glucose", 2.4),
        ("blood sugar 45 mg/dl", "glucose", 2.5),
        ("血糖28", "glucose", 28),
        ("34 weeks pregnant", "pregnancy_weeks", 34),
        ("孕29周", "pregnancy_weeks", 29),
    ],
)
def test_vital_signs_are_read_with_their_units(text: str, name: str, value: float) -> None:
    assert value in {measure.value for measure in READER.read(text).vitals if measure.name == name}


@pytest.mark.parametrize("text", ["call 120", "12/11/2025", "I am 40 years old", "room 101"])
def test_other_numbers_are_no_vital_signs(text: str) -> None:
    assert not vitals(text.lower())


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("my 3 yr old", 3),
        ("6 week old", 6 / 52),
        ("两岁的孩子", 2),
        ("宝宝才一个月", 1 / 12),
        ("aged 67.", 67),
        ("im 45 and", 45),
    ],
)
def test_ages_are_read_in_years(text: str, years: float) -> None:
    assert [round(age.value, 3) for age in ages(text)] == [round(years, 3)]


def test_the_record_adds_conditions_and_medicines() -> None:
    assert "anticoagulant" in active("hello", PatientContext(medications=("Warfarin 3 mg",)))
    assert "diabetic" in active("你好", PatientContext(conditions=("2型糖尿病",)))


def test_a_pregnancy_can_be_said_denied_or_known_from_the_record() -> None:
    assert READER.read("I'm pregnant and tired").pregnant is True
    assert READER.read("I am not pregnant").pregnant is False
    assert READER.read("hello", PatientContext(pregnant=True)).pregnant is True
    assert READER.read("hello").pregnant is None


def test_a_test_of_a_vital_sign_needs_a_name_a_sign_and_a_number() -> None:
    assert vital_test("spo2 < 92") is not None
    assert vital_test("spo2 under 92") is None
    assert vital_test("mood < 3") is None


@pytest.mark.parametrize("phrase", ["a ~ b ~ c", "(a|b", "a)", "(|a)", "<unknown> b", "~ a"])
def test_a_malformed_phrase_is_refused(phrase: str) -> None:
    with pytest.raises(PolicyError):
        compile_phrase(phrase, "en", {})


def broken(tmp_path: Path, old: str, new: str) -> Path:
    source = FINDINGS_PATH.read_text(encoding="utf-8")
    assert old in source
    path = tmp_path / "findings.yaml"
    path.write_text(source.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    asserted: true", "    assertd: true", "unknown keys"),
        ('vitals: ["temperature >= 38"]', 'vitals: ["temperature over 38"]', "not a test of a vital sign"),
        ('"<belly> ~ <pain>"', '"<bely> ~ <pain>"', "word list <bely>"),
    ],
)
def test_an_error_in_the_findings_file_names_the_file(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        Reader.load(broken(tmp_path, old, new))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_read_and_every_offset_lies_in_it(text: str) -> None:
    for item in READER.read(text).items:
        assert 0 <= item.start <= item.end <= len(text)
        assert item.words == text[item.start : item.end]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "no",
                "not",
                "chest",
                "pain",
                "can't",
                "breathe",
                ",",
                ".",
                "?",
                "没有",
                "胸痛",
                "不",
                "and",
                "or",
                "but",
                "i",
                "my",
                "39.5",
                "120/80",
                "baby",
            ]
        ),
        max_size=60,
    )
)
def test_any_jumble_of_clinical_words_is_read(words: list[str]) -> None:
    READER.read(" ".join(words))
