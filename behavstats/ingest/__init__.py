"""The ingest: read sources, decode their lines, and store the page views in batches.

Import what you need from the modules named below; importing this package loads none of them
(`batch`, `pipeline` and `prefetch` load NumPy).
"""

__all__ = ["batch", "decode_process", "pipeline", "prefetch", "report", "shared_counts"]
