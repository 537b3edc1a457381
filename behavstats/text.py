"""Counts in words, for messages and tables."""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, which gets an "s" unless there is exactly one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
