"""The daemon: the HTTP server, the watch process, and the jobs beside them."""
