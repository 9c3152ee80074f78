"""Reflections: values at Miller indices, and how well two sets agree."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    # Looked up when asked for, so that importing one module of the package loads no other
    return getattr(import_module("friedel.reflections.reflections"), name)
