"""Files that are read again: erased users do not return, and a warning is logged."""

import gzip
import logging
import os

import pytest

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.store import EVERYTHING, create_store
from behavstats.text import counted
from behavstats.watch import restarted_files
from tests.support.edge import wait_until
from tests.support.followed import BAD, drain, following, lines, users
from tests.support.histories import AS_OF, line


def overwrite(path, data):
    """Replace the content, as some editors do."""
    path.write_bytes(data)


def replace_file(path, data):
    """Replace the file, as `sed -i` and `grep -v > new; mv new file` do."""
    new = path.with_name(".new")
    new.write_bytes(data)
    new.rename(path)


WAYS_TO_REPLACE = [overwrite, replace_file]


def of(user, *numbers):
    """Lines of a user, each with a page of its own."""
    return b"".join(line(PageView(user, AS_OF + number, f"/{number}")) for number in numbers)


def views(store, user):
    try:
        return sum(len(some) for some in store.page_views(user))
    except UnknownUser:
        return 0


@pytest.mark.parametrize("replace", WAYS_TO_REPLACE)
@pytest.mark.parametrize("watched", ["folder", "file"])
@pytest.mark.parametrize("size", [1, 40])
def test_a_log_from_which_a_user_was_removed_brings_no_other_user_back(
    store, folder, caplog, replace, watched, size
):
    """Anna and Bert are erased, and Anna is removed from the log; only Cleo is left."""
    log = folder / "ev.jsonl"
    path = folder if watched == "folder" else log
    a, b, c = (of(user, *range(size)) for user in ("anna", "bert", "cleo"))
    log.write_bytes(a + b + c)
    drain(store, path)
    store.forget("anna")
    store.forget("bert")
    replace(log, b + c)
    report = drain(store, path)
    assert (views(store, "anna"), views(store, "bert"), views(store, "cleo")) == (0, 0, size)
    assert (report.added, report.duplicates, report.left_out) == (0, size, size)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("READ AGAIN" in record.getMessage() for record in warnings)
    left_out = f"{counted(size, 'line')} of erased users left out"
    assert any(left_out in record.getMessage() for record in warnings)
    assert any(source.read_again_at for source in store.offsets.all())


def test_lines_appended_after_a_restart_do_not_bring_an_erased_user_back(store, folder):
    """But what the user does after the erasure counts."""
    log = folder / "ev.jsonl"
    log.write_bytes(of("bert", 1, 2))
    drain(store, log)
    store.forget("bert")
    overwrite(log, of("cleo", 1) + of("bert", 1))
    drain(store, log)
    with log.open("ab") as file:
        file.write(of("bert", 2))
    assert drain(store, log).left_out == 1
    assert views(store, "bert") == 0
    later = (
        max(source.read_again_at for source in store.offsets.all() if source.read_again_at) + 60_000
    )
    with log.open("ab") as file:
        file.write(line(PageView("bert", later, "/")))
    drain(store, log)
    assert views(store, "bert") == 1


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_rotated_file_that_is_compressed_without_some_lines_brings_no_user_back(
    store, folder, is_gone
):
    """Its inode and its name differ from those of the file that was read."""
    log = folder / "ev.jsonl"
    log.write_bytes(of("anna", 1) + of("bert", 1) + of("cleo", *range(40)))
    drain(store, folder)
    store.forget("anna")
    store.forget("bert")
    if is_gone:
        log.unlink()
    packed = folder / "ev-2026-11-24.jsonl.gz"
    packed.write_bytes(gzip.compress(of("bert", 1) + of("cleo", *range(40))))
    drain(store, folder)
    assert (views(store, "bert"), views(store, "cleo")) == (0, 40)


def test_a_file_that_will_replace_another_one_brings_no_user_back(store, folder):
    """For example the temporary file of `sed -i`."""
    (folder / "ev.jsonl").write_bytes(of("anna", 1) + of("bert", 1))
    drain(store, folder)
    store.forget("anna")
    store.forget("bert")
    (folder / "sedXq31Zc").write_bytes(of("bert", 1) + of("cleo", 1))
    drain(store, folder)
    (folder / "sedXq31Zc").rename(folder / "ev.jsonl")
    drain(store, folder)
    assert (views(store, "bert"), views(store, "cleo")) == (0, 1)


@pytest.mark.parametrize("replace", WAYS_TO_REPLACE)
def test_rejected_lines_that_name_an_erased_user_do_not_return(store, folder, replace):
    """As a JSON string, escaped or not, or as a word; other rejected lines are kept."""
    log = folder / "ev.jsonl"
    bad = b'{"user_id": "bert"}\n{"u": "b\\u0065rt"}\nuser=bert;\n'
    log.write_bytes(of("anna", 1) + of("bert", 1) + bad + BAD)
    drain(store, folder)
    store.forget("anna")
    store.forget("bert")
    replace(log, of("cleo", 1) + bad + BAD + b'{"user_id": "berta"}\n')
    assert drain(store, folder).left_out == 3
    kept = {rejection.text for _, rejection in store.rejected.read(EVERYTHING)}
    assert kept == {BAD.strip(), b'{"user_id": "berta"}'}


@pytest.mark.parametrize("key", ["userId", "anonymousId"])
def test_a_rejected_line_with_an_erased_id_as_a_number_does_not_return(store, folder, key):
    """Some clients send numbers as ids; a number that is no id does not count."""
    log = folder / "ev.jsonl"
    bad = b'{"type": "page", "%s": 42, "timestamp": "?"}\n' % key.encode()
    other = b'{"type": "page", "userId": "x", "price": 42, "timestamp": "?"}\n'
    log.write_bytes(of("anna", 1) + of("42", 1) + bad + other)
    drain(store, folder)
    store.forget("anna")
    assert store.forget("42").rejected_lines == 1
    overwrite(log, of("42", 1) + bad + other)
    assert drain(store, folder).left_out == 2
    assert {rejection.text for _, rejection in store.rejected.read(EVERYTHING)} == {other.strip()}


def test_lines_left_out_leave_no_byte_in_the_store(db, folder):
    """Neither the id nor the names of pages that no other user viewed."""
    with create_store(db, lock_timeout=10) as store:
        log = folder / "ev.jsonl"
        secret = line(PageView("8f14e45f-ceea", AS_OF, "/secret-page"))
        log.write_bytes(of("anna", 1) + secret)
        drain(store, log)
        store.forget("8f14e45f-ceea")
        overwrite(log, secret + of("cleo", 1))
        drain(store, log)
    data = b"".join(path.read_bytes() for path in db.parent.glob(f"{db.name}*"))
    assert b"8f14e45f-ceea" not in data
    assert b"/secret-page" not in data


def test_rotation_logs_no_warning(store, folder, caplog):
    """Neither after truncation of a copied file nor after a rename."""
    log = folder / "log"
    log.write_bytes(lines(1, 2))
    drain(store, log)
    (folder / "log.1").write_bytes(log.read_bytes() + lines(3))
    log.write_bytes(lines(4))
    drain(store, log)
    log.rename(folder / "log.2")
    log.write_bytes(lines(5))
    drain(store, log)
    packed = gzip.compress((folder / "log.2").read_bytes())
    (folder / "log.2").unlink()
    (folder / "log.3.gz").write_bytes(packed)
    drain(store, log)
    assert users(store) == {1, 2, 3, 4, 5}
    assert "READ AGAIN" not in caplog.text
    assert {source.read_again_at for source in store.offsets.all()} == {None}


def test_a_warning_is_logged_for_a_file_that_is_truncated_without_a_copy(
    store, folder, caplog, monkeypatch
):
    """After some seconds, because a copy may appear until then."""
    monkeypatch.setattr(restarted_files, "_GRACE", 0.1)
    log = folder / "log"
    log.write_bytes(lines(1))
    with following(store, log):
        wait_until(lambda: users(store) == {1})
        os.truncate(log, 0)
        with log.open("ab") as file:
            file.write(lines(2))
        wait_until(lambda: users(store) == {1, 2})
        wait_until(lambda: "READ AGAIN" in caplog.text)
