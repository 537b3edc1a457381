"""A program that uses a published client for Python.

The calls come as JSON lines on standard input, in the words of Segment's specification. It prints a
line for each attempt to send that failed, and ends well once every call was acknowledged.
"""

import json
import logging
import re
import sys
from datetime import datetime
from importlib import import_module
from typing import Any

PACKAGES = {
    "analytics-python": "segment.analytics",
    "analytics-python-2.3": "segment.analytics",
    "rudder-python": "rudderstack.analytics",
}
LOGS = ("segment", "backoff")  # of these packages, and of the one that tries again for them


class Failures(logging.Handler):
    """Prints what is logged of attempts that failed."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if re.match("Retry attempt|Network error|Rate-limited \\(|Backing off", message):
            print("failed:", message, flush=True)


def arguments_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as these clients have it: its userId is the argument user_id."""
    if "timestamp" in message:
        message["timestamp"] = datetime.fromisoformat(message["timestamp"])
    return {re.sub("[A-Z]", lambda a: f"_{a[0].lower()}", key): message[key] for key in message}


def main() -> None:
    name, address, key = sys.argv[1:]
    for log in map(logging.getLogger, LOGS):
        log.setLevel(logging.DEBUG)
        log.addHandler(Failures())
    given_up: list[Exception] = []
    client = import_module(PACKAGES[name]).Client(
        key, host=address, upload_interval=0.1, on_error=lambda error, _: given_up.append(error)
    )
    for line in sys.stdin:
        message = json.loads(line)
        getattr(client, message.pop("type"))(**arguments_of(message))
    client.shutdown()
    for error in given_up:
        sys.exit(f"given up: {error}")


if __name__ == "__main__":
    main()
