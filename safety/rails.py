"""Input and output rails: NeMo Guardrails in process, every rail one of our own actions, no LLM call.

NeMo decides in which order the flows run and whether the turn stops; the actions here read the rules of
`safety/policy/rails.yaml` and, of what a person wrote, the trained heads of `safety/guard.py`. A rail that raises, is missing, or answers nothing counts as a stop.
"""

import asyncio
import logging
import os
import re
import time
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

import yaml

from retrieval.types import Locale
from safety.guard import Guard, Head, Judgement
from safety.readable import readable
from safety.replies import POLICY, reply
from safety.types import Decision, PolicyError, RailVerdict

Direction = Literal["input", "output"]
RAILS: dict[Direction, dict[str, str]] = {  # action -> rule set in rails.yaml
    "input": {"check_harmful": "harmful", "check_injection": "injection", "check_scope": "scope"},
    "output": {"check_certainty": "certainty", "check_harmful_output": "harmful"},
}
HEADS_OF: dict[str, tuple[Head, ...]] = {  # rule set -> the trained heads that join it on the way in
    "harmful": ("harmful", "misuse"),
    "injection": ("injection",),
    "scope": ("scope",),
}
SURELY_FINE = 0.02  # score of every head of a rail below which its rules are taken to have misread the words
FINE_OUTSIDE = 0.2  # the same for what the scope head stops in any case
READ = 4_000  # characters that the patterns read: the longest message the turn accepts


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of rails.yaml."""

    id: str
    category: str
    pattern: re.Pattern[str]
    stops: dict[Locale, list[str]]
    passes: dict[Locale, list[str]]


def load_rules(path: Path = POLICY / "rails.yaml") -> dict[str, list[Rule]]:
    """The rules of every rail. Raises PolicyError that names the rule."""
    where = ""
    try:
        rules: dict[str, list[Rule]] = {}
        for rail, rows in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            for row in rows:
                where = f"{rail}/{row.get('id')}"
                pattern = re.compile("|".join(f"(?:{p})" for p in [*row["en"], *row["zh"]]))
                rules.setdefault(rail, []).append(Rule(row["id"], row["category"], pattern, row["stops"], row["passes"]))
                reply(row["category"], "en")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, re.error) as error:
        raise PolicyError(f"{path}: {where}: {error!r}; see the comments at its top for the form") from error
    return rules


def normalise(text: str) -> str:
    """Lower case, compatibility forms folded, invisible characters out: what the patterns read."""
    folded = unicodedata.normalize("NFKC", text)
    visible = "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc") or c in "\n\t")
    return re.sub(r"\s+", " ", visible.replace("’", "'")).lower()[:READ]


def forms(text: str) -> list[str]:
    """What the patterns read: the text as it was written and, where it hides something, as a person would read it."""
    return list(dict.fromkeys([normalise(text), normalise(readable(text))]))


def learned(rail: str, judged: Judgement, locale: Locale) -> RailVerdict:
    """The verdict of the heads that join a rule set; `reason` names head, score and the nearest example of the policy."""
    head = next((head for head in HEADS_OF[rail] if head in judged.stops), None)
    if head is None:
        return RailVerdict(rail, Decision.ALLOW)
    category = {"misuse": "professional_misuse", "harmful": judged.category}.get(head, head)
    reason = f"head {head} {judged.scores[head]:.3f}, nearest example {judged.nearest!r}"
    return RailVerdict(rail, Decision.STOP, category, reason, reply(category, locale))


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1e3


class Judge(Protocol):
    """What `safety.guard.Guard` does."""

    def judge(self, text: str, locale: Locale) -> Judgement:
        """Scores and stops of one text; any exception is a fault and stops the turn."""
        ...


class NemoRails:
    """All rails of one direction in one call; safe for concurrent turns."""

    def __init__(self, rules: dict[str, list[Rule]] | None = None, guard: Judge | None = None) -> None:
        os.environ.update(NEMO_GUARDRAILS_NO_USAGE_STATS="1", DO_NOT_TRACK="1")
        # NeMo's messages carry what people wrote; what a rail decided is in our own record.
        logging.getLogger("nemoguardrails").setLevel(logging.CRITICAL)
        from nemoguardrails import LLMRails, RailsConfig

        self._rules = rules or load_rules()
        self._guard: Judge = guard or Guard()
        self._judged: dict[str, Judgement] = {}
        colang, config = (POLICY / "rails.co").read_text("utf-8"), (POLICY / "config.yml").read_text("utf-8")
        self._engine: Any = LLMRails(RailsConfig.from_content(colang_content=colang, yaml_content=config))
        self._found: dict[str, list[RailVerdict]] = {}  # of each call under way, one verdict a rail
        for actions in RAILS.values():
            for action, rail in actions.items():
                self._engine.register_action(self._action(rail), action)

    async def check(self, direction: Direction, text: str, locale: Locale) -> RailVerdict:
        """The first rule that stops, else the first head, or ALLOW. Never raises for any text: a fault is a stop."""
        started, call = time.perf_counter(), uuid4().hex
        heads: tuple[tuple[str, float], ...] = ()
        found = self._found[call] = []
        try:
            if direction == "input":
                self._judged[call] = await asyncio.to_thread(self._guard.judge, text, locale)
                heads = (("heads", _since(started)),)
            verdict = await self._ask(direction, call, text, locale)
        except Exception as error:  # the engine's own faults are many kinds; each of them must stop the turn
            verdict = self._fault(direction, locale, f"rails failed: {error!r}")
        finally:
            self._found.pop(call, None)
            self._judged.pop(call, None)
        return replace(verdict, took_ms=_since(started), timings=(*heads, *((one.rail, one.took_ms) for one in found)))

    async def _ask(self, direction: Direction, call: str, text: str, locale: Locale) -> RailVerdict:
        # The text goes through the context: as a parameter, a user's "$name" would be resolved as a variable.
        messages = [
            {"role": "context", "content": {"said": forms(text), "call": call, "locale": locale}},
            {"role": "user", "content": "-"},
        ]
        if direction == "output":
            messages.append({"role": "assistant", "content": "-"})
        # Without a state of its own, every conversation would stay in NeMo's memory in plain text.
        options = {"rails": [direction], "log": {"activated_rails": True}}
        result = await self._engine.generate_async(messages=messages, state={}, options=options)
        found = self._found[call]
        stopped = [verdict for verdict in found if verdict.stops]
        if stopped:  # a rule that names the matter exactly goes before a head that suspects another
            return next((verdict for verdict in stopped if verdict.reason.startswith("rule")), stopped[0])
        if any(rail.stop for rail in result.log.activated_rails) or len(found) < len(RAILS[direction]):
            return self._fault(direction, locale, f"only {len(found)} of {len(RAILS[direction])} rails answered")
        return RailVerdict(f"rails.{direction}", Decision.ALLOW)

    def _action(self, rail: str) -> Callable[..., Awaitable[Any]]:
        from nemoguardrails.actions.rail_outcome import RailOutcome

        async def act(context: dict[str, Any] | None = None) -> Any:
            asked, started = context or {}, time.perf_counter()
            verdict = self._decide(rail, asked["said"], asked["call"], asked["locale"])
            self._found[asked["call"]].append(replace(verdict, took_ms=_since(started)))
            return RailOutcome.block(reason=verdict.reason) if verdict.stops else RailOutcome.allow()

        return act

    def _decide(self, rail: str, said: list[str], call: str, locale: Locale) -> RailVerdict:
        """The rules speak first: what they say needs no explaining. Then the heads, which only hear what a person wrote.

        Where the heads are sure that nothing is wrong, the rule met its words in another sense ("kill the weeds").
        """
        verdicts = [self._judge(rail, text, locale) for text in said]
        ruled = next((verdict for verdict in verdicts if verdict.stops), verdicts[0])
        judged = self._judged.get(call)
        # Outside health the turn ends anyway, and less is needed to take the rule's words in another sense.
        fine = FINE_OUTSIDE if judged and "scope" in judged.stops else SURELY_FINE
        if judged is None or (ruled.stops and any(judged.scores[head] >= fine for head in HEADS_OF[rail])):
            return ruled
        return learned(rail, judged, locale)

    def _judge(self, rail: str, text: str, locale: Locale) -> RailVerdict:
        for rule in self._rules[rail]:
            if rule.pattern.search(text):
                said = reply(rule.category, locale)
                return RailVerdict(rail, Decision.STOP, rule.category, f"rule {rule.id}", said)
        return RailVerdict(rail, Decision.ALLOW)

    @staticmethod
    def _fault(direction: Direction, locale: Locale, reason: str) -> RailVerdict:
        return RailVerdict(f"rails.{direction}", Decision.STOP, "fault", reason, reply("unavailable", locale))
