"""Cuts topics into passages of neighbouring claims."""

from collections.abc import Iterable
from itertools import pairwise

from retrieval.topics import Topic
from retrieval.types import Claim, Passage

CLAIMS_PER_PASSAGE = 3  # about 80 English words: small enough to be about one thing, large enough for context


def passages(topics: Iterable[Topic]) -> list[Passage]:
    """The passages of all topics, in reading order."""
    return [
        Passage(group[0].id, topic.id, topic.title, section, group, reviewed_on=topic.reviewed_on, review_due=topic.review_due)
        for topic in topics
        for section, claims in topic.sections.items()
        for group in _groups(claims)
    ]


def _groups(claims: tuple[Claim, ...]) -> list[tuple[Claim, ...]]:
    """Runs of at most CLAIMS_PER_PASSAGE claims, as even in length as they come (4 gives 2 + 2, not 3 + 1)."""
    count = -(-len(claims) // CLAIMS_PER_PASSAGE)
    size, more = divmod(len(claims), count)
    edges = [0]
    for number in range(count):
        edges.append(edges[-1] + size + (number < more))
    return [claims[a:b] for a, b in pairwise(edges)]
