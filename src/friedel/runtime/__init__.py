"""Threads and memory management."""
