"""`behavstats ingest` and `rejects` as processes: which files are read, and rejected lines."""

import gzip
import json
import os
from pathlib import Path

from behavstats.sources.compression import zstd
from tests.cli.conftest import LINES, counts, one_line


def test_ingest_of_plain_and_compressed_files(cli, tmp_path):
    """The format is recognised from the content, whatever the name."""
    contents = {"a.gz": LINES, "b": gzip.compress(LINES), "c.txt": zstd.compress(LINES)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    done = cli("ingest", *contents)
    assert (done.returncode, counts(done)) == (
        0,
        {"read": 6, "added": 2, "duplicates": 4, "rejected": 0},
    )


def test_rejected_lines_from_ingest_to_clearing(cli, tmp_path):
    """Each is shown with file, line number and reason; the exit code is 1."""
    bad = [b"{", b'{"user_id": "b\xff"}', b"[]", b"{}", b'{"user_id": 7}', b"7", b"\x1b[31m"]
    (tmp_path / "events.jsonl").write_bytes(LINES + b"\n".join(bad))
    done = cli("ingest", "events.jsonl")
    assert done.returncode == 1
    assert counts(done) == {
        "read": 9,
        "added": 2,
        "duplicates": 0,
        "rejected": 7,
        "invalid_json": 2,
        "invalid_utf8": 1,
        "not_an_object": 2,
        "missing_key": 1,
        "wrong_type": 1,
    }
    shown = done.stderr.decode().splitlines()
    assert shown[0].startswith(f"behavstats: {tmp_path}/events.jsonl:3: ")
    assert shown[-1] == "behavstats: rejected lines are kept; list them with: behavstats rejects"
    assert len(shown) == 6
    listed = cli("rejects").stdout.decode()
    assert f"  {tmp_path}/events.jsonl:4\n  invalid_utf8: " in listed
    assert "\x1b" not in listed
    printed = cli("rejects", "--jsonl")
    assert (printed.returncode, printed.stdout) == (0, b"\n".join(bad) + b"\n")
    repaired = cli("ingest", "-", stdin=LINES.replace(b"ada-l", b"bob"))
    assert repaired.returncode == 0
    mark = one_line(printed)
    command = mark.partition("clear them: behavstats ")[2].split()
    assert command == ["rejects", "--clear", "--up-to", "7"]
    assert cli(*command).stdout == b"7 rejected lines deleted, 0 left\n"
    assert cli("rejects", "--jsonl").stdout == b""


def test_an_over_long_line_is_reported_by_its_position(cli):
    """Only its beginning is kept, which is not exported as if it were the line."""
    done = cli("ingest", "-", stdin=LINES + b"x" * 2_000_000 + b"\n" + LINES)
    assert (done.returncode, counts(done)["rejected"], counts(done)["duplicates"]) == (1, 1, 2)
    printed = cli("rejects", "--jsonl")
    assert printed.stdout == b""
    place = f"-, line 3, byte {len(LINES)}, 2,000,000 bytes long"
    assert printed.stderr.decode().splitlines() == [
        f"behavstats: not printed, since only its beginning is kept: {place}",
        "behavstats: 1 line not printed; only --clear --all deletes such lines",
    ]


def test_an_unreadable_file_does_not_stop_the_others(cli, tmp_path):
    """The file is named, and the exit code is 3."""
    (tmp_path / "good").write_bytes(LINES)
    (tmp_path / "cut").write_bytes(gzip.compress(LINES * 100)[:-10])
    done = cli("ingest", "missing", "cut", "good")
    assert (done.returncode, counts(done)["added"]) == (3, 2)
    assert [text.split(": ")[1] for text in done.stderr.decode().splitlines()] == [
        "missing",
        f"{tmp_path}/cut",
    ]


def test_the_store_is_not_ingested_into_itself(cli, db, tmp_path):
    """As `*` in its folder would do. The exit code is 3, and other files are ingested."""
    (tmp_path / "events.jsonl").write_bytes(LINES)
    cli("ingest", "events.jsonl", cwd=tmp_path)
    done = cli("ingest", str(db), "events.jsonl", cwd=tmp_path)
    assert done.returncode == 3
    assert f"{db}: belongs to the store itself" in done.stderr.decode()
    assert cli("rejects", "--jsonl").stdout == b""


def test_a_file_name_that_is_not_utf_8_is_stored_escaped(cli, tmp_path):
    """Its valid lines are stored, and its rejected lines are kept."""
    name = os.fsencode(tmp_path) + b"/\xff\n.jsonl"
    Path(os.fsdecode(name)).write_bytes(b"bad\n" + LINES)
    done = cli("ingest", name)
    assert (done.returncode, counts(done)["added"]) == (1, 2)
    assert done.stderr.decode().startswith(
        f"behavstats: {tmp_path}/\\xff\\n.jsonl:1: invalid_json: this is not JSON"
    )


def test_the_repair_loop_loses_nothing(cli, tmp_path):
    """Lines that are rejected again, and lines that arrived in the meantime, are kept."""
    cli("ingest", "-", stdin=b"one\ntwo\n")
    exported = cli("rejects", "--jsonl")
    (tmp_path / "bad.jsonl").write_bytes(exported.stdout.replace(b"one", b"One"))
    assert cli("ingest", "bad.jsonl", "-", stdin=b"two\nthree\nfour\n").returncode == 1
    command = one_line(exported).partition("clear them: behavstats ")[2].split()
    assert cli(*command).stdout == b"2 rejected lines deleted, 5 left\n"
    exported = cli("rejects", "--jsonl")
    assert sorted(exported.stdout.split()) == sorted([b"One", b"two", b"two", b"three", b"four"])
    assert cli("ingest", "bad.jsonl").returncode == 1  # as it is: rejected once more
    command = one_line(exported).partition("clear them: behavstats ")[2].split()
    cli(*command)
    assert cli("rejects", "--jsonl").stdout.split() == [b"One", b"two"]


def test_clear_needs_a_limit(cli):
    """So no line is lost that was never printed. Options that exclude each other are named."""
    cli("ingest", "-", stdin=b"one\n")
    for options in (["--clear"], ["--clear", "--all", "--up-to", "9"], ["--all"]):
        done = cli("rejects", *options)
        assert done.returncode == 2
        assert "--up-to" in one_line(done)
    assert cli("rejects", "--jsonl", "--json").returncode == 2
    assert cli("rejects", "--clear", "--all").stdout == b"1 rejected line deleted, 0 left\n"


def test_rejects_are_counted_and_filtered_by_source_and_reason(cli, tmp_path):
    """As text and as JSON. The command that clears a filtered export has the same filter."""
    (tmp_path / "a b").write_bytes(b"x\n7\n")
    cli("ingest", "a b", "-", stdin=b"y\n")
    summary = json.loads(cli("rejects", "--json", "--source", "a b").stdout)
    assert summary["kept"] == {"lines": 3, "bytes": 3}
    groups = [(group["reason"], group["lines"]) for group in summary["groups"]]
    assert groups == [("invalid_json", 1), ("not_an_object", 1)]
    printed = cli("rejects", "--jsonl", "--source", "a b", "--reason", "not_an_object")
    assert printed.stdout == b"7\n"
    assert one_line(printed).endswith("--up-to 2 --source 'a b' --reason not_an_object")
    assert b"3 rejected lines kept" in cli("rejects").stdout


def test_dry_run_creates_no_store(cli, db):
    """Its report, also as JSON, says what was read and why lines were rejected."""
    done = cli("ingest", "-", "--dry-run", "--json", stdin=LINES + b"x\n")
    report = json.loads(done.stdout)
    assert (done.returncode, report["page_views"], report["rejected"]) == (
        1,
        2,
        {"invalid_json": 1},
    )
    assert not db.exists()
    done = cli("ingest", "-", "--max-rejects", "1", stdin=LINES + b"x\ny\n")
    assert (done.returncode, counts(done)["rejected"]) == (3, 1)


def test_a_large_csv_is_stopped_early(cli, db, tmp_path):
    """With --force, the bounds from the environment hold; what was dropped is reported."""
    (tmp_path / "events.csv").write_bytes(b"ada-l,/pricing,2026-11-15T12:34:56Z\n" * 60_000)
    assert cli("ingest", "events.csv").returncode == 3
    bounds = {"BEHAVSTATS_REJECTS_MAX_LINES": "2000"}
    assert cli("ingest", "events.csv", "--force", env=bounds).returncode == 1
    listed = cli("rejects", env=bounds).stdout.decode()
    assert "2,000 rejected lines kept" in listed
    assert "58,000 lines" in listed
    assert db.stat().st_size < 6_000_000
    wrong = cli("ingest", "events.csv", env={"BEHAVSTATS_REJECTS_MAX_LINES": "few"})
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert "BEHAVSTATS_REJECTS_MAX_LINES" in one_line(wrong)
