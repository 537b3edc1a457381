"""Decoding: lines and messages to page views, one at a time or in columns."""
