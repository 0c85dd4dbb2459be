"""The rest of a line after a subcommand, read: words, values, and what does not belong there."""

from __future__ import annotations

import shlex

from IPython.core.error import UsageError


def split(rest: str) -> list[str]:
    """The words, with quotation marks as in a shell."""
    try:
        return shlex.split(rest)
    except ValueError:
        raise UsageError(f"a quotation mark is not closed in {rest}") from None


def one_run(rest: str, command: str) -> str:
    """The one run id that a subcommand was given."""
    words = rest.split()
    for word in words:
        no_option(word, command)
    if len(words) != 1:
        raise UsageError(f"write `%aether {command} RUN`, with one run; `%aether` lists them")
    return words[0]


def no_option(word: str, command: str) -> str:
    """The word, where it does not look like an option."""
    if word.startswith("-"):
        raise UsageError(f"`%aether {command}` has no option {word}; `%aether help` tells what there is")
    return word


def nothing(rest: str, command: str) -> None:
    """Refuse whatever is there."""
    if rest:
        raise UsageError(f"`%aether {command}` takes nothing more, got {rest!r}")
