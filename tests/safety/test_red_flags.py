"""The red flags: every example of every rule, the held-out messages, the cards, and the loader's errors."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.types import LOCALES, Locale
from safety.cards import HELPLINES_PATH, Cards
from safety.guard import Guard
from safety.red_flags import RULES_PATH, RedFlags
from safety.types import Decision, PatientContext, PolicyError, RailVerdict

FLAGS = RedFlags.load(guard=Guard())  # as the product has them
HELD_OUT = [json.loads(line) for line in (Path(__file__).parent / "heldout_red_flags.jsonl").read_text("utf-8").splitlines()]
EXAMPLES = [(rule, locale, text) for rule in FLAGS.rules for locale in LOCALES for text in rule.hits[locale]]
NEAR_MISSES = [(rule, locale, text) for rule in FLAGS.rules for locale in LOCALES for text in rule.near_misses[locale]]


def check(text: str, locale: Locale = "en", **more: object) -> RailVerdict:
    return FLAGS.check(text, locale=locale, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rule", "locale", "text"), EXAMPLES, ids=lambda value: getattr(value, "id", str(value)[:40]))
def test_a_rule_fires_on_its_hits(rule, locale, text) -> None:  # type: ignore[no-untyped-def]
    verdict = check(text, locale)
    assert rule.id in {reason.rule for reason in verdict.reasons}
    assert verdict.stops or rule.kind == "urgent"


@pytest.mark.parametrize(("rule", "locale", "text"), NEAR_MISSES, ids=lambda value: getattr(value, "id", str(value)[:40]))
def test_a_near_miss_shows_no_card(rule, locale, text) -> None:  # type: ignore[no-untyped-def]
    verdict = check(text, locale)
    assert not verdict.stops
    assert rule.id not in {reason.rule for reason in verdict.reasons}


@pytest.mark.parametrize("rule", FLAGS.rules, ids=lambda rule: rule.id)
def test_a_rule_has_four_hits_and_four_near_misses_in_each_language(rule) -> None:  # type: ignore[no-untyped-def]
    for examples in (rule.hits, rule.near_misses):
        assert all(len(examples[locale]) >= 4 for locale in LOCALES)


@pytest.mark.parametrize("rule", FLAGS.rules, ids=lambda rule: rule.id)
def test_a_rule_has_a_source_a_date_and_advice_in_both_languages(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule.sources
    assert rule.reviewed_on
    assert 1 <= len(rule.meanwhile) <= 4
    assert all(text[locale] for text in (*rule.meanwhile, rule.reason) for locale in LOCALES)


@pytest.mark.parametrize("locale", LOCALES)
def test_held_out_emergencies_and_crises_are_not_missed(locale: Locale) -> None:
    serious = [row for row in HELD_OUT if row["locale"] == locale and row["label"] != "harmless"]
    caught = sum(check(row["text"], locale).stops for row in serious)
    assert caught / len(serious) >= 0.97


@pytest.mark.parametrize("locale", LOCALES)
def test_held_out_harmless_messages_rarely_show_a_card(locale: Locale) -> None:
    harmless = [row for row in HELD_OUT if row["locale"] == locale and row["label"] == "harmless"]
    wrong = sum(check(row["text"], locale).stops for row in harmless)
    assert wrong / len(harmless) <= 0.05


def test_the_held_out_set_is_balanced() -> None:
    counts = Counter((row["locale"], row["label"] == "harmless") for row in HELD_OUT)
    assert min(counts.values()) >= 0.4 * max(counts.values())


@pytest.mark.parametrize(("locale", "other"), [("en", "zh"), ("zh", "en")])
def test_a_message_is_read_in_either_language_whatever_the_locale(locale: Locale, other: Locale) -> None:
    for row in [row for row in HELD_OUT if row["locale"] == locale][::15]:
        assert check(row["text"], other).stops == check(row["text"], locale).stops


def test_an_emergency_buried_in_a_long_harmless_message_is_found() -> None:
    harmless = "I would like to know which vegetables are rich in iron. " * 60
    assert check(harmless + "My husband just collapsed and is not breathing. " + harmless).stops


def test_an_emergency_at_the_very_end_of_a_huge_message_is_found() -> None:
    assert check("tell me about oats. " * 5_000 + "i can't breathe").stops


@pytest.mark.parametrize(
    ("patient", "stops"),
    [
        (PatientContext(), False),
        (PatientContext(medications=("warfarin",)), True),
        (PatientContext(conditions=("atrial fibrillation",), medications=("apixaban 5 mg",)), True),
    ],
)
def test_the_record_can_turn_a_knock_on_the_head_into_an_emergency(patient: PatientContext, stops: bool) -> None:
    assert check("I hit my head on a door this morning", patient=patient).stops is stops


def test_the_age_on_record_decides_a_babys_fever() -> None:
    assert check("fever since this morning", patient=PatientContext(age_years=0.1)).stops
    assert not check("fever since this morning", patient=PatientContext(age_years=30)).stops


def test_pregnancy_on_record_makes_bleeding_an_emergency() -> None:
    assert check("some spotting today", patient=PatientContext(pregnant=True)).stops


def test_an_urgent_matter_lets_the_turn_go_on_with_its_reason() -> None:
    verdict = check("a stray dog bit me")
    assert verdict.decision is Decision.ALLOW
    assert verdict.category == "urgent"
    assert verdict.reply == ""
    assert [reason.rule for reason in verdict.reasons] == ["animal-bite"]


def test_a_harmless_message_has_no_category_and_no_reasons() -> None:
    verdict = check("which vegetables are rich in iron?")
    assert (verdict.decision, verdict.category, verdict.reasons, verdict.reply) == (Decision.ALLOW, "", (), "")


def test_the_most_serious_reason_comes_first() -> None:
    verdict = check("my dad is not breathing, he also has a fish bone stuck in his throat")
    assert verdict.reasons[0].rule == "cardiac-arrest"
    assert verdict.reasons[0].words
    assert verdict.reasons[0].source is not None


@pytest.mark.parametrize(
    ("text", "locale", "country", "first"),
    [
        ("I have chest pain", "en", "US", "Call 911 now."),
        ("I have chest pain", "en", "GB", "Call 999 now."),
        ("I have chest pain", "en", None, "Call your local emergency number (112, 911 or 999 in many countries) now."),
        ("I have chest pain", "en", "XX", "Call your local emergency number (112, 911 or 999 in many countries) now."),
        ("我胸痛", "zh", None, "请立即拨打120。"),
        ("我妈胸痛", "zh", "TW", "请立即为患者拨打119，并守在其身边。"),
        ("my dad has chest pain", "en", "GB", "Call 999 now for the person and stay with them."),
    ],
)
def test_the_card_begins_with_the_number_to_call(text: str, locale: Locale, country: str | None, first: str) -> None:
    assert check(text, locale, country=country).reply.splitlines()[0] == first


@pytest.mark.parametrize(("text", "locale"), [("I don't want to be alive anymore", "en"), ("我不想活了", "zh")])
def test_a_crisis_card_is_warm_offers_a_person_and_asks_one_question(text: str, locale: Locale) -> None:
    verdict = check(text, locale, country="CN" if locale == "zh" else "US")
    assert verdict.category == "crisis"
    assert verdict.reply.count("?") + verdict.reply.count("？") <= 2
    assert ("12356" if locale == "zh" else "988") in verdict.reply
    assert verdict.reply.splitlines()[-1].rstrip().endswith(("?", "？"))


def test_an_attempt_under_way_tells_to_call_an_ambulance_first() -> None:
    verdict = check("I took a whole bottle of pills because I want to die", country="GB")
    assert verdict.reasons[0].rule == "suicide-attempt"
    assert "999" in verdict.reply.splitlines()[0]


def test_a_friend_at_risk_gets_a_card_for_helpers() -> None:
    assert "the person" in check("my friend says she wants to die").reply


def test_whoever_is_hit_is_spoken_to_directly() -> None:
    assert check("my husband hits me").reply.startswith("I am sorry this is happening to you.")


def test_the_writer_is_the_patient_when_a_relative_is_only_mentioned() -> None:
    assert check("I have chest pain and my wife is worried", country="GB").reply.startswith("Call 999 now.\n")


def test_a_helper_is_not_told_to_move_away_from_what_could_hurt_them() -> None:
    assert "could hurt you" not in check("my friend says she wants to die").reply


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("country", [None, *Cards.load().helplines])
def test_every_country_has_a_card_without_gaps(locale: Locale, country: str | None) -> None:
    for text in ("chest pain and sweating", "i want to die", "my husband hits me", "my uncle touches me at night"):
        reply = check(text, locale, country=country).reply
        assert reply
        assert "{" not in reply
        assert all(line.strip() for line in reply.splitlines())


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=600), st.sampled_from(LOCALES))
def test_any_text_gets_a_verdict(text: str, locale: Locale) -> None:
    verdict = check(text, locale)
    assert verdict.rail == "red_flags"
    assert verdict.stops == bool(verdict.reply)


@pytest.mark.parametrize(
    "piece",
    [
        "no ",
        "chest ",
        "胸痛，",
        "no chest pain and the fever ",
        "a",
        "not not ",
        "1/1 ",
        "血",
        "( ",
        "血压 ",
        "my son took pills and ",
    ],
)
def test_a_hundred_kilobytes_of_one_thing_over_and_over_are_answered(piece: str) -> None:
    assert check(piece * (100_000 // len(piece))).rail == "red_flags"  # a runaway pattern would meet the suite's time limit


def edited(tmp_path: Path, old: str, new: str) -> Path:
    source = RULES_PATH.read_text(encoding="utf-8")
    assert old in source
    path = tmp_path / "red_flags.yaml"
    path.write_text(source.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    kind: emergency", "    kind: emergencies", "is not one of"),
        ("    audience: any", "    audience: everyone", "is not one of"),
        ("all: [not_breathing]", "all: [not_breathin]", "is not in the findings file"),
        ("source: erc-2021", "source: erc-1921", "is not listed under sources"),
        ("meanwhile: [cpr, recovery]", "meanwhile: [pray]", "names of advice"),
        ("id: choking", "id: cardiac-arrest", "is given twice"),
        ("    audience: any\n", "    audiense: any\n", "unknown keys"),
        ("rules:", "rules: none\nold:", "must be a list of rules"),
        ("reviewed_on: 2026", "reviewed_on: [2026", "not valid YAML"),
    ],
)
def test_an_error_in_the_rules_names_file_and_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(PolicyError, match=says) as caught:
        RedFlags.load(path)
    assert str(caught.value).startswith(f"{path}:")
    assert str(caught.value).split(":")[1].isdigit()


def test_a_missing_rules_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        RedFlags.load(tmp_path / "nowhere.yaml")


def test_helplines_need_a_fallback(tmp_path: Path) -> None:
    path = tmp_path / "helplines.yaml"
    path.write_text(HELPLINES_PATH.read_text("utf-8").replace("  international:", "  elsewhere:"), encoding="utf-8")
    with pytest.raises(PolicyError, match="international"):
        RedFlags.load(helplines=path)
