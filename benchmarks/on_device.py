"""Time and memory of calls of PyTorch, on a GPU by its own events, on a CPU by its clock."""

import time

import torch
from peer import peak_mb

MOST, FEWEST, SECONDS = 20, 3, 3.0
"""Number of timed calls: the most, and the fewest, when the most would take longer than this time
(s). On a CPU, where the check is tried out, it is the fewest."""


def milliseconds(call, device):
    """The median time of a call."""
    on_gpu = device.type == "cuda"
    start = time.perf_counter()
    for _ in range(2):
        call()
    if on_gpu:
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - start) / 2
    found = []
    for _ in range(max(FEWEST, min(MOST, int(SECONDS / seconds))) if on_gpu else FEWEST):
        if on_gpu:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            call()
            end.record()
            end.synchronize()
            found.append(begin.elapsed_time(end))
        else:
            start = time.perf_counter()
            call()
            found.append(1e3 * (time.perf_counter() - start))
    return sorted(found)[len(found) // 2]


def mebibytes(call, device, before=0.0):
    """The most memory (MiB) allocated during a call, with what was there before it.

    On a CPU it is the most that the process ever had, less `before`.
    """
    if device.type != "cuda":
        call()
        return peak_mb() - before
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() / 2**20
