"""The definitions: page views, timestamps, summaries and profiles.

Everything here is pure: no input, no output, no clock. Import what you need from the modules named
below; importing this package loads none of them (`columns` and `summary_vectorized` load NumPy).
"""

__all__ = [
    "columns",
    "line_block",
    "page_view",
    "profile",
    "retention",
    "summary",
    "summary_vectorized",
    "timestamps",
]
