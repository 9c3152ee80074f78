"""The loop of every peer's process: it answers each line on standard input with one of JSON.

    go       calculate once
    save     write hkl and F of the last calculation

A line before all others says that the model is prepared.
"""

import json
import sys
import time


def peak_mb():
    """Most memory that this process had, in MB of 2^20 bytes.

    Not ru_maxrss where Linux tells better: that starts with what the parent had at the fork.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
        return float(kilobytes) / 1024
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(calculate, save, *, import_mb, **others):
    """Answer lines until there are no more.

    Parameters
    ----------
    calculate
        Called without arguments; timed.
    save
        Called with what `calculate` returned.
    import_mb
        Memory before the model was read.
    others
        More calculations, by the line that asks for them.
    """
    calls = {"go": calculate} | others
    print(json.dumps({"import_mb": import_mb}), flush=True)
    result = None
    for line in sys.stdin:
        word = line.strip()
        start, start_of_cpu = time.perf_counter(), time.process_time()
        if word == "save":
            save(result)
        else:
            result = calls[word]()
        answer = {
            "seconds": time.perf_counter() - start,
            "cpu_seconds": time.process_time() - start_of_cpu,
            "memory_mb": peak_mb(),
        }
        print(json.dumps(answer), flush=True)
