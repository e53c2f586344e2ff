"""What a message is read into: who has what, whether it is denied, past, imagined or only asked about."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.findings import FINDINGS_PATH, Reader
from safety.phrases import compile_phrase
from safety.times import ages, durations
from safety.types import PatientContext, PolicyError
from safety.vitals import vital_test, vitals

READER = Reader.load()
NOTHING_KNOWN = PatientContext()


def active(text: str, patient: PatientContext = NOTHING_KNOWN) -> set[str]:
    return set(READER.read(text, patient).active)


ASSERTED = [
    ("I never had chest pain before, now it is crushing", "chest_pain_plain"),
    ("denies fever, now has chest pain", "chest_pain_plain"),
    ("denies fever, chest pain since noon", "chest_pain_plain"),
    ("no cough, fever 39", "fever"),
    ("没有咳嗽，发烧39度", "fever"),
    ("无发热，胸痛两小时", "chest_pain_plain"),
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
    ("I have chest pain no fever", "chest_pain_plain"),
    ("no fever, vomiting since noon and drowsy", "vomiting"),
    ("no fever, diabetic", "diabetic"),
    ("no insulin left for two days", "diabetic"),
    ("眼睛没事吧，一直疼得厉害", "burn_severe"),
    ("haven't taken my warfarin today", "anticoagulant"),
    ("no breathing, no pulse", "not_breathing"),
    ("孩子没有呼吸了", "not_breathing"),
    ("浑身没劲喘不上气", "cant_breathe"),
]
BESIDE_A_FEAR = [
    ("担心胸痛是不是心梗", "chest_pain_plain"),
    ("so anxious I want to kill myself", "si_active"),
    ("scared I might kill myself", "si_active"),
    ("anxious and crushing chest pain", "chest_pain_plain"),
    ("worried, he can't breathe", "cant_breathe"),
    ("nervous because my face is drooping", "face_droop"),
    ("terrified of having a stroke and my mouth droops", "face_droop"),
    ("worried about chest pain that started an hour ago", "chest_pain_plain"),
    ("我很害怕，胸口压榨样疼", "chest_pain_plain"),
    ("我怕自己会自杀", "si_active"),
    ("我爸在吃预防中风的药，现在突然嘴歪", "face_droop"),
]
BESIDE_A_TOPIC = [
    ("能吃能睡，突然左边手脚没力气", "one_side_weak"),
    ("results are normal, crushing chest pain", "chest_pain_plain"),
    ("考试前胸口压榨样疼", "chest_pain_plain"),
    ("写论文写到胸口剧痛", "chest_pain_plain"),
    ("吃药副作用，喘不上气", "cant_breathe"),
    ("side effects of the pills, cannot breathe", "cant_breathe"),
    ("started having chest pain 2 months ago", "chest_pain_plain"),
    ("两个月前开始胸痛", "chest_pain_plain"),
]
OTHER_WORDS = [
    ("on the edge of the table", "attempt_now"),
    ("on the edge of the table", "si_active"),
    ("I've been on edge lately", "si_active"),
    ("pain shooting down the leg", "bleeding_heavy"),
    ("I fell off my bike and can't lift my arm", "one_side_weak"),
    ("I can't lift my arm after a fall", "one_side_weak"),
    ("摔了一跤，胳膊动不了", "limb_loss_power"),
    ("手指能弯", "open_fracture"),
    ("膝盖疼，腿弯不疼", "open_fracture"),
    ("吃抗病毒药", "took_poison"),
    ("吃抗病毒药", "attempt_now"),
    ("bit off more than I can chew", "amputation"),
    ("came off my bike", "amputation"),
    ("held it under the cold tap", "drowning"),
    ("手背发烫", "burn"),
    ("a small bruise", "nonblanching"),
    ("it burns when she pees", "burn"),
    ("he took ibuprofen for his headache", "child_swallowed"),
    ("fluid coming out of an ear", "waters_broke"),
    ("my tooth got knocked out", "fainted"),
    ("my tooth got knocked out", "fainted_hard"),
    ("hay fever", "fever"),
    ("脸上皮肤发热", "fever"),
    ("it is very hot today", "fever"),
    ("the weather is very hot", "fever"),
    ("he is so tired after school", "drowsy"),
    ("had my blood taken", "bleeding"),
    ("can't breathe through my nose", "cant_breathe"),
    ("out of puff after a flight of stairs", "pe_risk"),
    ("redness is spreading and fever", "nec_fasc"),
    ("my left hand tingles at night", "one_side_weak"),
    ("my left thigh has been numb for weeks", "one_side_weak"),
    ("左手麻了好几个月", "one_side_weak"),
    ("嘴唇不紫，呼吸没有凹陷", "not_breathing"),
    ("I am not breathless", "not_breathing"),
    ("不喝酒不吸烟", "not_feeding"),
    ("没有腰痛，没有尿频", "dehydration"),
    ("吃奶时不哭", "floppy"),
    ("没有发热，胎动正常", "fetal_movement"),
    ("ketones are fine", "dka_sign"),
    ("ketones not checked", "glucose_high"),
    ("尿酮阴性", "dka_sign"),
    ("一直火烧样疼", "burn"),
    ("呼吸平稳，体温37.5", "rr_extreme"),
    ("fell down the stairs on the edge", "attempt_now"),
    ("on the edge of my seat", "si_active"),
    ("he doesn't breathe through his nose", "not_breathing"),
    ("he has crushing chest pain", "child_word"),
    ("she feels sick", "child_word"),
    ("鼻子堵得喘不上气", "cant_breathe"),
    ("he is not supportive", "fetal_movement"),
]
SAME_WORDS_MEANT = [
    ("he is on the edge of the roof", "attempt_now"),
    ("standing on the edge, goodbye", "si_active"),
    ("he hasn't got a pulse", "not_breathing"),
    ("she hasn't breathed for a minute", "not_breathing"),
    ("孩子没有精神", "floppy"),
    ("not able to swallow my spit", "drooling"),
    ("he swallowed a button battery", "child_swallowed"),
    ("he is floppy and will not drink", "child_word"),
    ("the baby has not moved since morning", "fetal_movement"),
    ("she has not kicked today", "fetal_movement"),
    ("喘不上气，鼻子不堵", "cant_breathe"),
    ("呼吸没了", "not_breathing"),
    ("宝宝不喝奶", "not_feeding"),
    ("没有尿了", "dehydration"),
    ("叫他也不哭", "floppy"),
    ("今天胎动明显减少", "fetal_movement"),
    ("ketones are 3", "dka_sign"),
    ("尿酮两个加", "dka_sign"),
    ("standing on the edge of the bridge", "attempt_now"),
    ("blood shooting out of my leg", "bleeding_heavy"),
    ("I fell and can't move my left arm", "one_side_weak"),
    ("he suddenly can't lift his arm", "one_side_weak"),
    ("摔了以后两条腿动不了", "limb_loss_power"),
    ("胳膊摔弯了", "open_fracture"),
    ("喝了毒药", "took_poison"),
    ("bit off the tip of his finger", "amputation"),
    ("found under the water in the bath", "drowning"),
    ("手背被开水烫了", "burn"),
    ("my toddler took ibuprofen from my bag", "child_swallowed"),
    ("my waters broke, fluid gushing", "waters_broke"),
    ("he was knocked out in the match", "fainted_hard"),
    ("the baby is very hot", "fever"),
    ("too tired to feed", "drowsy"),
    ("left hand suddenly went numb", "one_side_weak"),
]
DENIED = [
    ("denies fever, chills, chest pain", "chest_pain_plain"),
    ("无发热、咳嗽、胸痛", "chest_pain_plain"),
    ("无高血压、糖尿病、冠心病史", "diabetic"),
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
    ("眼睛没有不适", "burn_severe"),
    ("没有呼吸困难", "not_breathing"),
    ("没有呼吸困难", "cant_breathe"),
    ("没有气短", "not_breathing"),
    ("no breathing problems", "not_breathing"),
    ("not breathing fast", "not_breathing"),
    ("no vision problems", "vision_loss"),
    ("no bladder problems", "bladder_bowel"),
    ("no bladder or bowel problems", "bladder_bowel"),
    ("denies sore throat, runny nose or shortness of breath", "breathless"),
    ("not on blood thinners", "anticoagulant"),
    ("I don't take any blood thinners", "anticoagulant"),
    ("没有在吃抗凝药", "anticoagulant"),
    ("not diabetic", "diabetic"),
    ("无糖尿病", "diabetic"),
    ("no diabetes, heart disease or blood thinners", "anticoagulant"),
    ("no recent surgery", "pe_risk"),
    ("inhaler helps, no night symptoms", "inhaler_fails"),
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
    ("afraid of having a stroke", "stroke_claim", "hypothetical"),
    ("worried it might be a heart attack", "heart_attack_claim", "hypothetical"),
    ("担心是心梗", "heart_attack_claim", "hypothetical"),
]


@pytest.mark.parametrize(("text", "concept"), BESIDE_A_FEAR)
def test_a_symptom_told_beside_a_fear_is_not_hidden_by_it(text: str, concept: str) -> None:
    assert concept in active(text)


@pytest.mark.parametrize(("text", "concept"), BESIDE_A_TOPIC)
def test_a_symptom_told_beside_a_topic_or_a_date_is_not_hidden_by_it(text: str, concept: str) -> None:
    assert concept in active(text)


@pytest.mark.parametrize(("text", "concept"), OTHER_WORDS)
def test_words_that_only_look_like_a_danger_are_not_taken_for_it(text: str, concept: str) -> None:
    assert concept not in active(text)


@pytest.mark.parametrize(("text", "concept"), SAME_WORDS_MEANT)
def test_the_same_words_still_count_where_they_are_meant(text: str, concept: str) -> None:
    assert concept in active(text)


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


@pytest.mark.parametrize("text", ["her temperature is 37.4", "his temperature is 39, what now", "pulse is 88 and regular"])
def test_a_measured_value_is_no_age(text: str) -> None:
    assert not ages(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("咳嗽一个半月", 45),
        ("咳嗽半个月", 15),
        ("咳嗽一年半", 547.5),
        ("for a month and a half", 45),
        ("for 2 nights", 2),
        ("三晚没睡", 3),
        ("好几晚了", 4),
        ("since childhood", 3650),
        ("从小有湿疹，四天前又痒", 4),
    ],
)
def test_durations_are_read(text: str, days: float) -> None:
    assert [span.value / 1440 for span in durations(text)] == [days]


@pytest.mark.parametrize("text", ["孩子发烧3天咳嗽", "发烧才三天，人不舒服", "宝宝拉肚子三天"])
def test_how_long_a_child_is_ill_is_no_age(text: str) -> None:
    assert not ages(text)
    assert [span.value / 1440 for span in durations(text)] == [3]


@pytest.mark.parametrize(
    "text", ["once a week I get a headache", "a migraine twice a month", "3 tablets a day", "every 2 weeks", "一天拉三次"]
)
def test_how_often_is_no_duration(text: str) -> None:
    assert not durations(text)


@pytest.mark.parametrize("text", ["im 20 weeks and tired", "20 weeks pregnant", "孕20周，头痛", "周三晚上"])
def test_weeks_of_pregnancy_and_evenings_are_no_durations(text: str) -> None:
    assert not durations(text)


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
