"""What the tests of the commands share: some lines, and what commands print for them."""

import re

from behavstats.model.page_view import PageView
from tests.support.histories import AS_OF, line

VIEWS = [PageView("ada-l", AS_OF - 60_000, "/"), PageView("ada-l", AS_OF, "/café")]
LINES = b"".join(map(line, VIEWS))
WAITS = b"behavstats: waiting for another process that is writing to the store\n"
AT = ("--as-of", "2024-03-01T10:30:00Z")
PROFILE = (
    '{"user_id":"ada-l","number_pages_viewed_in_the_last_7_days":2,'
    '"time_spent_on_site_in_last_7_days":1,"number_of_days_active_in_last_7_days":1,'
    '"most_viewed_page_in_last_7_days":"/café"}\n'
)


def counts(done):
    """Return the counts that an ingest prints, by name."""
    rows = re.findall(r"│\s+(\w+)\s+│\s+([\d,]+)\s+│", done.stdout.decode())
    return {name: int(count.replace(",", "")) for name, count in rows}


def one_line(done):
    """Return the only line on standard error, without the program's name."""
    text = done.stderr.decode()
    assert text.startswith("behavstats: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text.removeprefix("behavstats: ").rstrip("\n")
