"""Watching: files and folders are followed, and each line is ingested exactly once.

`watcher` has the entry point, `Watcher`. The modules below are imported by those who need them,
because they load NumPy and the store.
"""

__all__ = ["discovery", "tailed_file", "tracked_file", "watcher"]
