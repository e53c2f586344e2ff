import io
import logging
import logging.config
import pickle
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from safety.deid_rules import Rules
from safety.deidentify import READ, deidentify, find
from safety.pseudonyms import Pseudonyms
from safety.redacting import LOGS, RedactingFilter
from safety.types import PolicyError


def found(text: str) -> set[tuple[str, str]]:
    return {(e.type, text[e.start : e.end]) for e in find(text)}


HITS = [
    ("Record MRN: 40718826 was opened.", "MRN", "40718826"),
    ("Her SSN is 529-41-7730.", "SSN", "529-41-7730"),
    ("Write to l.moreno22@mail.example please", "EMAIL", "l.moreno22@mail.example"),
    ("call me at (415) 555-0182 after six", "PHONE", "(415) 555-0182"),
    ("Fax: 415-555-0183", "FAX", "415-555-0183"),
    ("seen on 14 March 2022 for a cough", "DATE", "14 March 2022"),
    ("admitted 2021-09-30 with sepsis", "DATE", "2021-09-30"),
    ("a 93-year-old woman", "AGE", "93-year-old"),
    ("card 4111 1111 1111 1111 expired", "BANK_CARD", "4111 1111 1111 1111"),
    ("IBAN GB82 WEST 1234 5698 7654 32", "ACCOUNT", "GB82 WEST 1234 5698 7654 32"),
    ("policy number: QX-778201", "HEALTH_PLAN", "QX-778201"),
    ("driver's license D4410-7719", "LICENSE", "D4410-7719"),
    ("VIN 1M8GDM9AXKP042788", "VEHICLE", "1M8GDM9AXKP042788"),
    ("pacemaker serial number PX77120K", "DEVICE", "PX77120K"),
    ("see https://clinic.example/p/81?x=2 for it", "URL", "https://clinic.example/p/81?x=2"),
    ("logged in from 192.0.2.44", "IP", "192.0.2.44"),
    ("her fingerprint is on file", "BIOMETRIC", "fingerprint"),
    ("a full-face photo is attached", "PHOTO", "a full-face photo"),
    ("accession BX-229-10457", "OTHER_ID", "BX-229-10457"),
    ("He lives at 77 Quarry Hill Road, Apt 3", "LOCATION", "77 Quarry Hill Road, Apt 3"),
    ("身份证11010519491231002X已核对", "NATIONAL_ID", "11010519491231002X"),
    ("旧身份证130503670401001", "NATIONAL_ID", "130503670401001"),
    ("手机13912345678", "PHONE", "13912345678"),
    ("座机021-65432198转8012", "PHONE", "021-65432198转8012"),
    ("于2022年4月15日入院", "DATE", "2022年4月15日"),
    ("5月初开始咳嗽", "DATE", "5月初"),
    ("奶奶96岁", "AGE", "96岁"),
    ("住院号:0091772", "MRN", "0091772"),
    ("住在苏州市吴中区东方大道188号6幢302室", "LOCATION", "苏州市吴中区东方大道188号6幢302室"),
    ("17床家属", "BED", "17床"),
    ("医保卡号B20418873", "HEALTH_PLAN", "B20418873"),
    ("车牌苏E7K29P", "VEHICLE", "苏E7K29P"),
    ("微信号yuan_2019", "SOCIAL_ACCOUNT", "yuan_2019"),
    ("护照号E20418833", "PASSPORT", "E20418833"),
    ("银行卡6222600260001072444", "BANK_CARD", "6222600260001072444"),
    ("指纹已采集", "BIOMETRIC", "指纹"),
]


@pytest.mark.parametrize(("text", "kind", "value"), HITS)
def test_an_identifier_is_found_with_its_type_and_bounds(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)


STAYS = [
    "Parkinson's disease, Graves disease and Bell's palsy are not people.",
    "A Foley catheter was placed; Babinski sign absent.",
    "BP 128/76, HR 88, SpO2 97%, temperature 38.2 C, GCS 15.",
    "Take 500 mg twice a day for 7 days, then 250 mg for 3-5 days.",
    "Platelets 250000, WBC 11000, viral load 1200000 copies.",
    "It began three days ago, got worse last Tuesday and better yesterday.",
    "Diagnosed in 2016; she is 84 years old.",
    "She came back from Thailand and lives in Texas.",
    "The trial NCT04412233 and the variant rs9923231 were cited.",
    "Is E11.9 the code of type 2 diabetes?",
    "帕金森病和克罗恩病会遗传吗?",
    "白细胞12.3,血红蛋白118g/L,血压140/90mmHg",
    "黄疸退了,高血压还要吃药吗?何首乌能吃吗?",
    "三天前开始发烧,2019年确诊糖尿病,今年62岁",
    "头孢克肟0.1g每日两次,共7天",
    "他是河南人,刚从泰国回来",
    "张力性气胸,马上穿刺",
]


@pytest.mark.parametrize("text", STAYS)
def test_medicine_measures_and_relative_times_stay(text: str) -> None:
    assert deidentify(text).text == text


NAMES = [
    ("Dr. Oyelowo prescribed it", "Oyelowo"),
    ("Patient name: Ragnhild Solbakken\nSex: F", "Ragnhild Solbakken"),
    ("My name is Temperance Yildirim.", "Temperance Yildirim"),
    ("患者姓名:慕容晓白", "慕容晓白"),
    ("我叫钟离月,头痛", "钟离月"),
    ("请罗医生看看", "罗"),
]


@pytest.mark.parametrize(("text", "name"), NAMES)
def test_a_name_that_is_introduced_is_masked(text: str, name: str) -> None:
    assert name not in deidentify(text).text


def test_a_known_name_is_found_in_any_case_and_by_its_parts() -> None:
    text = "spoke to HOPE about will; 萧萧也在"
    masked = deidentify(text, known=["Hope Will", "萧萧"]).text
    assert masked == "spoke to [NAME] about [NAME]; [NAME]也在"


def test_a_part_of_a_word_is_no_known_name() -> None:
    assert deidentify("hopeful willing", known=["Hope Will"]).entities == ()


def test_masks_follow_the_language_of_the_text_or_the_one_asked_for() -> None:
    assert deidentify("电话13912345678").text == "电话[电话]"
    assert deidentify("电话13912345678", locale="en").text == "电话[PHONE]"


def test_equal_values_get_one_pseudonym_and_are_restored() -> None:
    names = Pseudonyms()
    text = "MRN: 40718826, again MRN 40718826, and MRN 99120034"
    given_out = deidentify(text, "pseudonymise", pseudonyms=names)
    assert given_out.text == "MRN: [MRN-1], again MRN [MRN-1], and MRN [MRN-2]"
    assert names.restore(given_out.text) == text


def test_pseudonyms_of_another_session_are_left_alone_when_restoring() -> None:
    assert Pseudonyms({"[NAME-1]": "Ana"}).restore("[NAME-1] [NAME-2]") == "Ana [NAME-2]"


def test_sealed_pseudonyms_open_with_their_key_only() -> None:
    key, names = Fernet.generate_key(), Pseudonyms({"[NAME-1]": "Ana"})
    sealed = names.sealed(key)
    assert b"Ana" not in sealed
    opened = Pseudonyms.opened(sealed, key)
    assert opened.token("NAME", "ana") == "[NAME-1]"
    assert opened.token("NAME", "Bea") == "[NAME-2]"
    with pytest.raises(ValueError, match="do not open"):
        Pseudonyms.opened(sealed, Fernet.generate_key())


def test_pseudonyms_do_not_show_their_values() -> None:
    names = Pseudonyms({"[NAME-1]": "Ana"})
    assert "Ana" not in repr(names)
    with pytest.raises(TypeError, match="sealed"):
        pickle.dumps(names)


def test_an_unknown_mode_and_an_endless_text_are_refused() -> None:
    with pytest.raises(ValueError, match="'hash'"):
        deidentify("x", "hash")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=str(READ + 1)):
        deidentify("x" * (READ + 1))


def test_log_records_lose_what_identifies(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tests.deid")
    caplog.handler.addFilter(RedactingFilter())
    try:
        raise ValueError("MRN: 40718826")
    except ValueError:
        logger.exception("failed for %s", "j.doe@mail.example")
    assert "j.doe" not in caplog.text
    assert "40718826" not in caplog.text
    assert "failed for [EMAIL]" in caplog.text


def test_the_servers_own_log_settings_redact() -> None:
    stream = io.StringIO()
    handler = {**LOGS["handlers"]["errors"], "stream": stream}
    own = {"tests.serve": {"handlers": ["errors"], "propagate": False}}
    logging.config.dictConfig({**LOGS, "handlers": {"errors": handler}, "loggers": own, "root": {}})
    logging.getLogger("tests.serve").warning("turn failed for %s, MRN: 40718826", "j.doe@mail.example")
    assert "turn failed for [EMAIL]" in stream.getvalue()
    assert "40718826" not in stream.getvalue()


def test_a_log_record_that_cannot_be_read_is_withheld(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(RedactingFilter())
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "secret %d", ("j.doe@mail.example",), None)
    assert RedactingFilter().filter(record)
    assert record.getMessage() == "(log record withheld: TypeError)"


def test_a_rule_with_an_unknown_check_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "deid.yaml"
    path.write_text(
        "masks: {X: {en: X, zh: X}}\nparts: {link: ''}\nvalues: {code: x}\nstates: [Ohio]\nlabelled: []\npatterns:\n"
        "  - {id: a, type: X, score: 1, pattern: x, check: parity}\nnamed: {}\n"
    )
    with pytest.raises(PolicyError, match=r"deid\.yaml:7.*'parity'"):
        Rules.load(path)


texts = st.text(alphabet=st.sampled_from("aB3 .,:-/()\n王患者年月日号路市@#1234567890Drx'’·é"), max_size=120)


@given(st.one_of(st.text(max_size=80), texts))
@settings(max_examples=120, deadline=None)
def test_entities_lie_in_the_text_in_order_and_never_overlap(text: str) -> None:
    ends = [0, *(e.end for e in find(text))]
    starts = [e.start for e in find(text)]
    assert all(end <= start for end, start in zip(ends, starts, strict=False))
    assert all(0 <= e.start < e.end <= len(text) and 0 <= e.score <= 1 for e in find(text))


@given(texts)
@settings(max_examples=80, deadline=None)
def test_a_pseudonymised_text_is_restored_up_to_case_and_blanks(text: str) -> None:
    names = Pseudonyms()
    restored = names.restore(deidentify(text, "pseudonymise", pseudonyms=names).text)
    assert " ".join(restored.casefold().split()) == " ".join(text.casefold().split()) or "[" in text
