"""Settings: what they show of themselves."""

from pathlib import Path

from behavstats.config import Settings


def test_keys_are_never_shown():
    """Settings may get into a log."""
    shown = repr(Settings(Path("a.db"), write_keys=("write-key",), secret_keys=("secret-key",)))
    assert "a.db" in shown
    assert "-key" not in shown
