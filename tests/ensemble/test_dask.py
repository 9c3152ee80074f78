"""Dask as an executor, with a real cluster of two worker processes."""

import os
import signal
import time

import pytest
from test_same_bits import FRAMES, KEYWORDS, bits

import friedel
from einstein_crystal import EinsteinCrystal
from friedel import ensemble

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of clusters that lose workers


@pytest.fixture(scope="module", name="plan")
def plan_fixture():
    crystal = EinsteinCrystal.made(frames=FRAMES)
    return ensemble.prepare(crystal.pair, crystal.xyz, **KEYWORDS)


@pytest.fixture(name="cluster")
def cluster_fixture():
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_the_same_bits_with_a_worker_killed_in_mid_run(plan, cluster):
    expected = bits(ensemble.run_plan(plan))
    with distributed.Client(cluster) as client:
        assert bits(ensemble.run_plan(plan, executor=client)) == expected
        victims = list(client.run(os.getpid).values())
        submit, killed = client.submit, []

        def killing(*arguments, **options):
            if len(killed) < 1 and arguments[2:3] == (16,):
                os.kill(victims[0], signal.SIGKILL)
                killed.append(victims[0])
            return submit(*arguments, **options)

        client.submit = killing
        assert bits(ensemble.run_plan(plan, executor=client)) == expected
        assert killed


def test_the_loss_of_the_scheduler_is_an_error_and_checkpoints_resume(plan, tmp_path):
    expected = bits(ensemble.run_plan(plan))
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    client = distributed.Client(cluster, timeout=5)
    submit = client.submit

    def closing(*arguments, **options):
        if arguments[2:3] == (16,):
            cluster.close()
            time.sleep(0.2)
        return submit(*arguments, **options)

    client.submit = closing
    with pytest.raises(friedel.FriedelError, match="cluster failed"):
        ensemble.run_plan(plan, executor=client, checkpoint=tmp_path, checkpoint_seconds=0)
    client.close(timeout=1)
    assert list(tmp_path.glob("node-*.npz"))
    assert bits(ensemble.run_plan(plan, checkpoint=tmp_path)) == expected
