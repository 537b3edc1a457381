"""Watching: files and folders are followed, and each line is ingested exactly once.

`watcher` has the entry point, `Watcher`. Import what you need from the modules named below; they
load NumPy and the store, so importing this package loads none of them.
"""

__all__ = ["discovery", "tailed_file", "tracked_file", "watcher"]
