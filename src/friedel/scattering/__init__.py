"""Atomic scattering: form factors, and anomalous f' and f''."""
