"""How often a failed attempt is made again, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """When a tool that failed is tried again: `@tool(retries=...)` for one tool, `run(..., retry=RetryPolicy(...))` for
    those of a run that say nothing themselves.

    max_attempts: at least 1, which tries nothing again.
    backoff_first: seconds before the second attempt.
    backoff_base: by how much each further pause is longer than the one before.
    retry_on: the class of exception, or classes, that are worth another attempt.
    backoff_cap: seconds that no pause exceeds, but for the jitter of half of it more or less.

    Raises:
        ValueError: a number is out of range.
    """

    max_attempts: int = 3
    backoff_base: float = 2.0
    backoff_first: float = 0.5
    retry_on: tuple[type[BaseException], ...] | type[BaseException] = (Exception,)
    backoff_cap: float = 60.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts={self.max_attempts}: there is at least one attempt")
        if self.backoff_first < 0 or self.backoff_cap < 0 or self.backoff_base < 1:
            raise ValueError(
                f"backoff_first={self.backoff_first}, backoff_base={self.backoff_base}, "
                f"backoff_cap={self.backoff_cap}: pauses are not negative, and do not get shorter"
            )

    def again(self, attempt: int, error: BaseException) -> bool:
        """Whether there is another attempt after `attempt` (from 1) failed with `error`."""
        return attempt < self.max_attempts and isinstance(error, self.retry_on)

    def pause(self, attempt: int, seed: bytes) -> float:
        """Seconds after `attempt`, with jitter: between half of the pause and one and a half of it.

        The same `seed` gives the same.
        """
        jitter = 0.5 + random.Random(seed + attempt.to_bytes(4, "big")).random()
        return min(self.backoff_cap, self.backoff_first * self.backoff_base ** min(attempt - 1, 60)) * jitter


NEVER = RetryPolicy(max_attempts=1)
