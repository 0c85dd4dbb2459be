"""Which of several texts that hold the words of a query says most about it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ..storage.textindex import words

K1, B = 1.2, 0.75  # how soon more of a word counts no more; how much a long text is held against it


def best_first(query: Sequence[str], texts: Sequence[str]) -> list[int]:
    """The positions of `texts`, the best first; of equals, the first.

    Source: BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), 3.5; how rare a word is
    is counted among `texts`.
    """
    if not texts:
        return []
    counts = [Counter(words(text)) for text in texts]
    sizes = [sum(count.values()) for count in counts]
    mean = sum(sizes) / len(sizes) or 1.0
    wanted = list(dict.fromkeys(query))
    rare = {word: math.log(1 + len(texts) / (0.5 + sum(word in count for count in counts))) for word in wanted}

    def score(position: int) -> float:
        count, size = counts[position], sizes[position]
        often = K1 * (1 - B + B * size / mean)
        return sum(rare[word] * count[word] * (K1 + 1) / (count[word] + often) for word in wanted)

    scores = [score(position) for position in range(len(texts))]
    return sorted(range(len(texts)), key=lambda position: (-scores[position], position))
