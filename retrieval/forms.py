"""The forms of the computable knowledge: formulary, interactions, laboratory tests, pharmacogenomics, immunisation.

Every row has its sources, the day it was looked up, and in how many of them it was seen. `retrieval/reference.py` reads the files.
"""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Kebab = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
_UNITS = (
    "mg|g|microgram|unit|million unit|mL|drop|puff|spray|mg/kg|microgram/kg|unit/kg|g/kg|mL/kg|mmol|mmol/kg|%|application|patch|tablet|capsule|mg/m2|mg/h|"
    "microgram/h|microgram/kg/min|mg/kg/h|L/min|lozenge|suppository|sachet|inhalation|pessary|ring|implant|dose"
)
Amount = Annotated[str, StringConstraints(pattern=rf"^\d+(\.\d+)? ({_UNITS})$")]  # of one dose, such as "2.5 mg"
Span = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)? (min|h|d|wk|mo|y)$")]
Seen = Literal["two", "one"]  # in how many independent sources


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Both(Form):
    """A text in both languages."""

    en: Words
    zh: Words


class Lists(Form):
    """Two lists of the same length, the same thing at the same place."""

    en: list[Words]
    zh: list[Words]

    @model_validator(mode="after")
    def _same(self) -> "Lists":
        if len(self.en) != len(self.zh):
            raise ValueError(f"{len(self.en)} in 'en' and {len(self.zh)} in 'zh': {self.en!r:.80}")
        return self


class Names(Form):
    """What a thing is called; the languages need not pair up."""

    en: list[Words] = Field(min_length=1)
    zh: list[Words] = Field(min_length=1)


class Document(Form):
    publisher: Words
    title: Words
    year: int | None = Field(ge=1950, le=2100)
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None


class Row(Form):
    id: Kebab


class Checked(Row):
    sources: list[Document] = Field(min_length=1)
    checked_on: date
    checked: Seen


class Dose(Form):
    """`low` to `high` is one dose, given each `every`; or words where it is titrated."""

    who: Literal["adult", "child", "older"]
    route: Words
    for_: Both = Field(alias="for")
    start: Amount | None = None
    low: Amount | None = None
    high: Amount | None = None
    every: Span | Literal["once"] | None = None
    max_day: Amount | None = None
    max_dose: Amount | None = None
    from_age: Span | None = None
    to_age: Span | None = None
    from_weight: Words | None = None
    to_weight: Words | None = None
    titrate: Both | None = None
    note: Both | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Dose":
        if self.titrate is None and not (self.low and self.high and self.every):
            raise ValueError("needs low, high and every, or titrate")
        if self.low and self.high and _unit(self.low) == _unit(self.high) and _number(self.low) > _number(self.high):
            raise ValueError(f"low {self.low!r} is more than high {self.high!r}")
        return self


class EgfrLimit(Form):
    egfr_below: float = Field(gt=0, le=120)  # mL/min/1.73 m2
    action: Literal["avoid", "reduce", "monitor", "no_change"]
    max_day: Amount | None = None
    max_dose: Amount | None = None


class Renal(Both):
    limits: list[EgfrLimit] = []


class Hepatic(Both):
    action: Literal["avoid", "reduce", "monitor", "no_change"]


class ForTwo(Both):
    action: Literal["avoid", "specialist", "usable", "unknown"]


class Medicine(Row):
    """A row of the formulary. With `checked: none` it has no doses, for nobody has looked them up."""

    names: Names
    atc: Annotated[str, StringConstraints(pattern=r"^[A-Z]\d\d[A-Z]{0,2}(\d\d)?$")]
    class_: Both = Field(alias="class")
    indications: Lists
    doses: list[Dose] = []
    renal: Renal | None = None
    hepatic: Hepatic | None = None
    pregnancy: ForTwo | None = None
    lactation: ForTwo | None = None
    contraindications: Lists | None = None
    boxed_warning: Both | None = None
    monitoring: Lists | None = None
    note: Any = None
    sources: list[Document] = []
    checked_on: date | None = None
    checked: Seen | Literal["none"]

    @model_validator(mode="after")
    def _looked_up(self) -> "Medicine":
        facts = (
            self.doses,
            self.renal,
            self.hepatic,
            self.pregnancy,
            self.lactation,
            self.contraindications,
            self.boxed_warning,
        )
        if self.checked == "none" and any(facts):
            raise ValueError("checked: none, but it has facts that need a source")
        if self.checked != "none" and not (self.sources and self.checked_on and self.doses):
            raise ValueError(f"checked: {self.checked}, but without sources, checked_on or doses")
        return self


class Side(Form):
    """One side of an interaction: every member, and the name of its class where people use one."""

    en: list[Words] = Field(min_length=1)
    zh: list[Words] = Field(min_length=1)
    class_: Both | None = Field(default=None, alias="class")

    @model_validator(mode="after")
    def _same(self) -> "Side":
        if len(self.en) != len(self.zh):
            raise ValueError(f"{len(self.en)} in 'en' and {len(self.zh)} in 'zh': {self.en!r:.80}")
        return self


class MedicineWords(Form):
    """What people call members of interactions, beside their names."""

    means: list[Words] = Field(min_length=1)
    en: list[Words]
    zh: list[Words]


class InteractionRow(Checked):
    a: Side
    b: Side
    severity: Literal["contraindicated", "major", "moderate", "minor"]
    effect: Both
    mechanism: Both
    action: Both | None = None
    patient: Both
    onc_high_priority: bool


class Range(Form):
    who: Literal["adult", "child", "older"]
    sex: Literal["any", "female", "male"]
    low: float | None
    high: float | None
    from_age: Span | None = None
    to_age: Span | None = None
    pregnant: bool = False
    state: Both | None = None

    @model_validator(mode="after")
    def _order(self) -> "Range":
        if self.low is None and self.high is None:
            raise ValueError("needs low or high")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Conversion(Form):
    """value in the row's unit = value in this unit * factor + offset."""

    unit: Words
    factor: float = Field(gt=0)
    offset: float = 0.0


class Critical(Form):
    low: float | None
    high: float | None


class Lab(Checked):
    names: Names
    loinc: Annotated[str, StringConstraints(pattern=r"^\d{1,7}-\d$")] | None
    specimen: Words
    unit: Words
    conversions: list[Conversion]
    ranges: list[Range] = Field(min_length=1)
    ranges_cn: list[Range] = []
    critical: Critical
    high_means: Lists
    low_means: Lists
    note: Both | None


class PhenotypeRow(Form):
    phenotype: Words
    phenotype_zh: Words
    population: Words
    implication: Both
    recommendation: Both
    strength: Literal["strong", "moderate", "optional", "none"]


class GeneDrug(Checked):
    genes: list[Words] = Field(min_length=1)
    drugs: Lists
    level: Literal["A", "B", "C"] | None
    rows: list[PhenotypeRow] = Field(min_length=1)
    note: Any = None


class VaccineDose(Form):
    at: Words
    note: Both | None = None


class Schedule(Form):
    country: Literal["GB", "US", "CN", "WHO"]
    doses: list[VaccineDose]
    for_: Both = Field(alias="for")
    as_of: int = Field(ge=2015, le=2100)
    note: Both | None = None


class Vaccine(Checked):
    names: Names
    prevents: Lists
    live: bool | None  # None: there are live and other kinds
    schedules: list[Schedule] = Field(min_length=1)
    contraindications: Lists
    pregnancy: Literal["avoid", "specialist", "usable", "recommended"]
    min_interval: Span | None
    note: Any = None


def _number(amount: str) -> float:
    return float(amount.split(" ", 1)[0])


def _unit(amount: str) -> str:
    return amount.split(" ", 1)[1]
