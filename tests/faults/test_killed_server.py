"""SIGKILL of a server under load, at random instants: what was acknowledged is there."""

import time

import pytest

from behavstats.model.timestamps import DAY, HOUR
from tests.faults.load import Load
from tests.faults.promise import Ledger, agrees_with_the_oracle
from tests.faults.waiting import wait_until
from tests.support.histories import AS_OF

ROUNDS = 10


@pytest.mark.parametrize("_part", range(4))
@pytest.mark.parametrize("which", ["all", "supervisor", "worker"])
def test_a_server_killed_under_load_keeps_its_promise(db, start_server, chance, which, _part):
    """Its processes at once, or one of them; on one store, which is checked after each round.

    An acknowledged page view is there, a batch whole or not at all, a message that was sent again
    once, an acknowledged erasure holds to the last byte; and after the last round, all profiles are
    what the oracle says.
    """
    ledger = Ledger()
    of_each_kind = ledger.acknowledged, ledger.acknowledged_undated, ledger.gone
    for round_ in range(ROUNDS):
        server = start_server()
        with Load(server.port, chance, ledger, clients=5, leavers=1) as load:
            load.wait_for(chance.randrange(300))
            if round_ == 0:
                wait_until(lambda: all(of_each_kind), "some of each kind were acknowledged")
            time.sleep(chance.uniform(0, 0.01))  # not only just after an answer
            assert server.kill(which), server.said()
        views = ledger.holds(db)
    agrees_with_the_oracle(db, views, [AS_OF, AS_OF - HOUR // 2, AS_OF + 6 * DAY])


@pytest.mark.parametrize("which", ["all", "supervisor"])
def test_a_server_killed_while_it_starts_leaves_a_store_that_opens(db, start_server, chance, which):
    """There may be no store yet; the next server creates it, and serves."""
    for _ in range(10):
        server = start_server(is_ready=False)
        time.sleep(chance.uniform(0, 0.6))
        server.kill(which)
    server, ledger = start_server(), Ledger()
    with Load(server.port, chance, ledger) as load:
        load.wait_for(50)
        assert server.stop() == 0
    ledger.holds(db)


def test_a_worker_outlives_its_supervisor_at_no_instant(start_server, chance):
    """It may be killed when it has just started the worker, which cannot receive a signal yet."""
    for _ in range(12):
        server = start_server(is_ready=False)
        wait_until(lambda server=server: len(server.processes()) > 1, "there is a worker")
        time.sleep(chance.uniform(0, 0.1))
        server.kill("supervisor")
