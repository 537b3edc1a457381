"""The store in one SQLite file. All SQL for SQLite stands in this package."""
