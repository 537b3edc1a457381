"""Contract tests: the server against its own OpenAPI document."""
