"""The ingest: reads sources, decodes their lines, and stores the page views in batches.

Import what you need from the modules named below; importing this package loads none of them
(`batch`, `pipeline` and `prefetch` load NumPy).
"""

__all__ = ["batch", "decode_process", "pipeline", "prefetch", "report", "shared_counts"]
