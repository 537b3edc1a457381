"""The decoders: turn lines and messages into page views, one at a time or in columns.

Import what you need from the modules named below; importing this package loads none of them
(`json_splitter` and `vectorized` load NumPy).
"""

__all__ = ["event", "json_errors", "json_splitter", "lines", "segment", "vectorized", "wire"]
