"""A store that an earlier program of the same schema version wrote opens and answers the same.

The program was the last one before the packages were laid out as they are now. Its store has rows
in every table, but for `doomed_page`, which holds rows only during an erasure.
"""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView, Rejection
from behavstats.model.profile import detailed_profile, window
from behavstats.store import Checkpoint, SourceOffset, Totals, open_store
from tests.support.histories import AS_OF, listed
from tests.support.stores import columns, export, rejections_of

FILE = Path(__file__).parent / "files" / "every-table-5.db.gz"

REJECTIONS = [
    Rejection("/logs/a.jsonl", 4, 80, 1, "invalid_json", "it is no JSON", b"{", AS_OF),
    Rejection(
        "POST /v1/page", 1, 0, 9, "invalid_type", "user_id is no text", b'{"u": 7}\n', AS_OF + 5, 1
    ),
]
TOP_PAGES = [
    *((f"/{number}", 429) for number in range(4)),
    *((f"/{number}", 428) for number in range(4, 7)),
    ("/late", 1),
]


@pytest.fixture
def kept(db):
    db.write_bytes(gzip.decompress(FILE.read_bytes()))
    with open_store(db, lock_timeout=10) as store:
        yield store


def offset(number, name, lines_end, size, **more):
    checkpoint = Checkpoint(
        lines_end, 3, b"prefix%d" % more.pop("key", more["inode"]), b"suffix", 4
    )
    values = {"device": 1, "rejected": 1, "modified": None, "taken": AS_OF} | more
    return SourceOffset(id=number, name=name, checkpoint=checkpoint, size=size, **values)


def test_its_profiles_are_the_same(kept):
    """Of a user with rollups and a stale day, and of users without."""
    answer = detailed_profile("heavy", kept.summary("heavy", window(AS_OF)), window(AS_OF))
    assert answer["number_pages_viewed_in_the_last_7_days"] == 3_001
    assert answer["time_spent_on_site_in_last_7_days"] == 150
    assert answer["number_of_days_active_in_last_7_days"] == 1
    assert answer["most_viewed_page_in_last_7_days"] == "/0"
    assert (answer["seconds_on_site"], answer["visits"]) == (8997.0, 1)
    assert [(page["name"], page["views"]) for page in answer["top_pages"]] == TOP_PAGES
    assert answer["first_view"] == "2024-03-01T08:00:03.000Z"
    assert export(kept, "anna") == [
        PageView("anna", AS_OF - 5_000, "/"),
        PageView("anna", AS_OF, "/pricing"),
    ]
    assert export(kept, "carl") == [PageView("carl", AS_OF + 1_000, "/")]
    with pytest.raises(UnknownUser):
        kept.summary("gone", window(AS_OF))


def test_its_counts_and_rollups_are_the_same(kept):
    """The missing rollups of its stale day are computed like those of any store."""
    assert kept.counts() == (3_004, 2)
    statistics = kept.statistics()
    assert statistics[:4] == (3, 3_004, AS_OF - 2_999 * 3_000, AS_OF + 1_000)
    assert statistics.top_pages[7:] == [("/", 2), ("/late", 1), ("/pricing", 1)]
    before = kept.summary("heavy", window(AS_OF))
    kept.refresh_rollups()
    assert kept.counts() == (3_004, 3)
    assert kept.summary("heavy", window(AS_OF)) == before
    assert list(kept.check()) == []


def test_its_rejected_lines_are_the_same(kept):
    """With senders and arrival times; none of them is kept twice."""
    assert rejections_of(kept) == REJECTIONS
    assert kept.rejected.totals() == Totals(2, 10, 0, 0, None)
    kept.add([], REJECTIONS)
    assert rejections_of(kept) == REJECTIONS


def test_its_source_offsets_are_the_same(kept):
    """Of a file, of a content that no file holds any more, and of a file that began again."""
    large = 2**64 - 9
    assert kept.offsets.all() == [
        offset(1, "/logs/a.jsonl", 100, 120, inode=7),
        offset(2, "/logs/b.jsonl.gz", 500, 500, key=8, device=None, inode=None),
        offset(
            3, "/logs/c.jsonl", 50, 70, inode=large, is_read_again=True, read_again_at=AS_OF + 9
        ),
    ]
    assert kept.offsets.asked_since(["/logs"], AS_OF + 99) == [AS_OF - 1]


def test_its_erased_user_and_its_arrivals_are_remembered(kept):
    """A message that arrives again adds nothing, and the erased user does not come back."""
    assert kept.add([PageView("carl", AS_OF + 2_000, "/", b"message-1", AS_OF)]) == 0
    assert kept.add([PageView("carl", AS_OF, "/")]) == 0
    late, again = PageView("gone", AS_OF + 60_001, "/"), PageView("gone", AS_OF, "/of/gone")
    remaining, left_out = kept.offsets.erasures_since(0).without(columns([again, late]))
    assert (listed(remaining), left_out) == ([late], 1)


def test_its_texts_keep_their_keys(kept, db):
    """So that a user who is known gets no second key, and an erased one gets a new key."""
    kept.add([PageView("anna", AS_OF + 1, "/"), PageView("gone", AS_OF + 1, "/")])
    with closing(sqlite3.connect(db)) as connection:
        users = connection.execute("SELECT user_id FROM user ORDER BY id").fetchall()
    assert [user for (user,) in users] == ["heavy", "anna", None, "carl", "gone"]
