"""Definitions: page views, timestamps, summaries, profiles. Pure: no input, output or clock."""
