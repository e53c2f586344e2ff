"""The answer without a model: the passages' own claims, chosen for the question, in a readable order."""

from collections.abc import Sequence

from assistant.ports import Premises, Retriever
from assistant.types import Turn
from retrieval.topics import SECTIONS
from retrieval.types import Evidence, Locale

MOST = 4  # claims in the body of an answer
NEAR = 0.35  # a claim is taken while it is at least this share as probable as the best
SAFETY_NET = ("get_help.emergency", "get_help.urgent")
MOST_URGENT = 2  # claims of each of them


def body(evidence: Sequence[Evidence], locale: Locale) -> list[str]:
    """The claims that answer the question best, each with its label: the likeliest first, the others in reading order."""
    rows = [(item.answers.get(claim.id, 0.0), item, claim) for item in evidence for claim in item.passage.claims]
    rows.sort(key=lambda row: -row[0])
    best = [row for row in rows[:MOST] if row[0] >= NEAR * rows[0][0]]
    rest = sorted(best[1:], key=lambda row: _order(row[1].passage.section))
    return [f"{claim.say(locale)} [{item.label}]" for _, item, claim in [best[0], *rest]]


async def corrected(turn: Turn, premises: Premises, retriever: Retriever) -> tuple[str, list[str]]:
    """What the question takes as given and a claim denies: our lead-in, and the claims with their labels, which join the evidence."""
    wrong = await premises.correction(turn.question, turn.locale, turn.evidence, retriever.passage)
    turn.evidence += wrong.evidence
    return wrong.lead_in, list(wrong.lines)


def safety_net(turn: Turn, retriever: Retriever) -> list[str]:
    """When to call for help: the first claims of each urgent section of the answer's topic, whose passages join the evidence."""
    turn.evidence += urgent_passages(turn.evidence, retriever)
    out = []
    for section in SAFETY_NET:
        claims = [(c, e.label) for e in turn.evidence if e.passage.section == section for c in e.passage.claims]
        out += [f"{claim.say(turn.locale)} [{label}]" for claim, label in claims[:MOST_URGENT]]
    return out


def urgent_passages(evidence: Sequence[Evidence], retriever: Retriever) -> list[Evidence]:
    """The first passage of each urgent section of the answer's topic, labelled on from the evidence it already has."""
    topic, have = evidence[0].passage.topic, {item.passage.id for item in evidence}
    found = [p for section in SAFETY_NET for p in retriever.section(topic, section)[:1] if p.id not in have]
    return [Evidence(f"E{number}", passage, 0.0) for number, passage in enumerate(found, len(evidence) + 1)]


def _order(section: str) -> int:
    return SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)
