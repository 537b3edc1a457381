"""What the tests of the SQLite store share."""

from behavstats.store.sqlite import rollup_invalidation, rollups


def few_are_many(monkeypatch):
    """Have rollups from three page views on, and each day looked at.

    The modules are imported above: one that was imported while another is patched would keep a
    patched value for good.
    """
    monkeypatch.setattr(rollups, "MANY", 3)
    monkeypatch.setattr(rollup_invalidation, "SAMPLED", 1)
