"""A disk without room."""


def fill(disk):
    """Take all the room that is left."""
    with (disk / "filler").open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return
