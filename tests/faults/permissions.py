"""Commands to which file permissions apply, even if root runs the tests."""

import ctypes
import os

_PR_CAPBSET_DROP = 24
_OVERRIDING = (1, 2, 3)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER


def as_anybody():
    """Make the command that follows one to whom permissions apply (to run between fork and exec).

    A superuser may write whatever its permissions say. Without the capabilities to do so, it may
    do what the owner of the file may; another user could not even start our Python, maybe.
    """
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _OVERRIDING:
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "a capability cannot be dropped")
