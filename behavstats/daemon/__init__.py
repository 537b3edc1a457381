"""The daemon: the processes that serve a store, and their background jobs.

The `supervisor` starts granian with one `worker` process, which answers requests, and the
`watch_process`, which ingests watched files.

Import what you need from the modules named below; importing this package loads none of them.
"""

__all__ = ["options", "supervisor"]
