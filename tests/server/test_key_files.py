"""Files of keys: valid files, and errors."""

import pytest

from behavstats.errors import InvalidInput, SourceError
from behavstats.server.key_files import read_keys

WRITE, SECRET = "BEHAVSTATS_WRITE_KEYS", "BEHAVSTATS_SECRET_KEYS"
OLD, NEW = "old-key-0123456789", "new-key-0123456789=="


@pytest.fixture
def file(tmp_path):
    """A file of keys that only its owner can read."""
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    return path


def test_each_line_is_a_key_except_blank_lines_and_comments(file):
    """Blanks around a key, carriage returns and a byte-order mark do not belong to it."""
    file.write_bytes(f"\ufeff# of May\r\n\r\n  {OLD} \r\n{NEW}".encode())
    assert read_keys(file, WRITE) == ([OLD, NEW], False)


@pytest.mark.parametrize(
    "value", [f"{OLD} {NEW}", f"{OLD},{NEW}", f'"{OLD} {NEW}"', f"'{OLD}, {NEW}'"]
)
def test_a_file_of_environment_variables_has_keys_of_both_kinds(file, value):
    """It may be the output of `behavstats keys new`, with several keys in a variable."""
    file.write_text(f"{WRITE}={value}\n{SECRET}=secret-key-0123456789\n")
    assert read_keys(file, WRITE) == ([OLD, NEW], False)
    assert read_keys(file, SECRET) == (["secret-key-0123456789"], False)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "the file contains no key"),
        (b"# none yet\n\n", "the file contains no key"),
        (f"{SECRET}={OLD}\n".encode(), "the file contains no key"),
        (f"{OLD}\nshort\n".encode(), "line 2: a key must have at least 16 characters"),
        (
            f"\n{OLD} {NEW}\n".encode(),
            "line 2: a key contains no blanks; each key needs a line of its own",
        ),
        (b"\xff" * 20, "the file is not UTF-8"),
        (b"k" * 1024 * 1025, "a file of keys must not be longer than 1,048,576 bytes"),
    ],
)
def test_an_invalid_file_of_keys_is_an_error_that_names_the_line(file, text, complaint):
    """The error never shows a key."""
    file.write_bytes(text)
    with pytest.raises(InvalidInput) as error:
        read_keys(file, WRITE)
    assert str(error.value) == f"{file}, {complaint}" or str(error.value) == f"{file}: {complaint}"
    assert OLD not in str(error.value)


@pytest.mark.parametrize(
    ("name", "reason"), [("missing", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, name, reason):
    """It names the file and the reason."""
    with pytest.raises(SourceError, match=reason):
        read_keys(tmp_path / name, WRITE)


@pytest.mark.parametrize(
    ("mode", "is_open"), [(0o400, False), (0o600, False), (0o640, False), (0o604, True)]
)
def test_a_file_that_other_users_can_read_is_reported(file, mode, is_open):
    """Access by the group is fine: systemd's credentials have the mode 0400 or 0440."""
    file.write_text(OLD)
    file.chmod(mode)
    assert read_keys(file, WRITE) == ([OLD], is_open)
