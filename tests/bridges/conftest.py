"""PyTorch with one thread: several, on a machine with other work, wait long for one another."""

import sys

import pytest


@pytest.fixture(autouse=True)
def one_thread_of_torch():
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
