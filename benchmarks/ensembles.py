"""Time, memory and bits of an ensemble calculated in this process and by several processes.

    python benchmarks/ensembles.py TOPOLOGY [TRAJECTORY ...] --dmin 2.5 --supercell 2,1,1

For each number of workers: processor time a frame of all processes, wall-clock time, memory of the
largest process after a quarter and at the end, and a hash of all results, which must be the same.
For comparison the time of one call of the calculator, without reading, on the same machine.
"""

import argparse
import hashlib
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np

from friedel import ensemble
from friedel.ensemble.plan import Worker


def digest(result):
    arrays = result.mean, result.diffuse, result.sigma_mean, result.sigma_diffuse
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()[:16]


def processor_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def memory_of_children(found, stop):
    """Append the resident memory (MB) of each child that has friedel loaded, every second."""
    while not stop.wait(1.0):
        tasks = Path("/proc/self/task")
        children = [p for t in tasks.iterdir() for p in (t / "children").read_text().split()]
        sizes = []
        for child in children:
            try:
                lines = Path(f"/proc/{child}/status").read_text().splitlines()
            except OSError:
                continue
            sizes += [int(x.split()[1]) / 1024 for x in lines if x.startswith("VmRSS")]
        found.append(max(sizes, default=0.0))


def single_call(plan, calls=20):
    """Seconds of one call for positions that are in memory."""
    worker = Worker(plan, threads=1)
    calculator = worker._calculators[0]
    atoms = calculator.atoms.replace(frac=plan.reader.frac(plan.first)[plan.parts[0].atoms])
    calculator.forward(atoms)
    start = time.process_time()
    for _ in range(calls):
        calculator.forward(atoms)
    return (time.process_time() - start) / calls


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topology")
    parser.add_argument("trajectory", nargs="*")
    parser.add_argument("--dmin", type=float, default=2.5)
    parser.add_argument("--supercell", default="1,1,1")
    parser.add_argument("--frames")
    parser.add_argument("--repeat", type=int, default=1, help="times that the trajectory is used")
    parser.add_argument("--workers", default="0,1,2", help="numbers of processes, 0 for this one")
    given = parser.parse_args()
    cells = tuple(int(n) for n in given.supercell.split(","))
    plan = ensemble.prepare(
        given.topology,
        given.trajectory * given.repeat,
        d_min=given.dmin,
        supercell=cells,
        frames=given.frames,
        threads=1,
    )
    print(plan.describe(), *plan.notes, sep="\n")
    call = single_call(plan)
    print(f"one call, positions in memory: {1e3 * call:.1f} ms of processor time")
    for n in (int(text) for text in given.workers.split(",")):
        memory, stop = [], threading.Event()
        watch = threading.Thread(target=memory_of_children, args=(memory, stop))
        watch.start()
        start, used = time.perf_counter(), processor_seconds()
        result = ensemble.run_plan(plan, executor=n or None)
        seconds, used = time.perf_counter() - start, processor_seconds() - used
        stop.set()
        watch.join()
        alive = [m for m in memory if m > 0]
        rss = f", a worker {alive[len(alive) // 4]:.0f} then {alive[-2]:.0f} MB" if n else ""
        frames = len(plan.frames)
        print(
            f"{n} workers: {seconds:.1f} s, {1e3 * used / frames:.1f} ms of processor time a frame"
            f" ({used / frames / call:.2f} of a call){rss}, {digest(result)}",
            flush=True,
        )
    print("mean of sigma(I)/I", float(np.mean(result.sigma_diffuse / result.diffuse)))


if __name__ == "__main__":
    sys.exit(main())
