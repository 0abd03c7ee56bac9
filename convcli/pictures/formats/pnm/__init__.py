"""Netpbm."""
