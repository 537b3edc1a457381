"""Ingesting: sources are decoded, and stored in batches."""
