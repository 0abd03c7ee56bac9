"""Kernels that read at fractional places."""
