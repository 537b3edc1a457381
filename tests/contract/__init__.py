"""The contract: the server against its own OpenAPI document."""
