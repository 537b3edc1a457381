"""The options of the server, as they are handed to its processes."""

import pickle

from behavstats.daemon.options import ServerOptions
from behavstats.server.auth import Keys
from behavstats.server.origins import Origins

KEY = "write-key-0123456789"


def test_options_hold_no_key_that_could_be_read():
    """Options may get into a log, and are sent to other processes: keys are kept as digests."""
    keys = Keys([KEY])
    options = ServerOptions(keys=keys, origins=Origins(None, keys))
    assert KEY not in repr(options)
    assert KEY.encode() not in pickle.dumps(options)


def test_a_process_that_gets_the_options_knows_the_same_keys():
    """Nothing has to be validated again there."""
    options = pickle.loads(pickle.dumps(ServerOptions(keys=Keys([KEY]), watched=("in",))))
    assert options.keys
    assert options.keys.sender(KEY) == Keys([KEY]).sender(KEY)
    assert options.watched == ("in",)
