"""What any store must do, through the door of `behavstats.store` alone.

Each test runs once for each engine in `engines.ENGINES`. What belongs to one engine (its files, its
locks, its log) is tested in the package of that engine.
"""
