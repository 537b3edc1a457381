"""Turns values into the tables and lines that commands print, with a module for each subject."""

__all__: list[str] = []
