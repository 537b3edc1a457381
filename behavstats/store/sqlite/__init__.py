"""The SQLite engine: a store in one file, for any number of processes on one machine.

All SQL of this engine is in this package. Nothing outside `behavstats.store` imports it.
"""

__all__ = ["files", "lock", "opening", "restore"]
