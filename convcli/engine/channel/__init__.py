"""Kernels that run on each channel alone."""
