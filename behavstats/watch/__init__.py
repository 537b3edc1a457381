"""Watching: files and folders are followed, each line taken exactly once."""
