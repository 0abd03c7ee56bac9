"""Hostile input made from the project's own files: what any of it may do is an error of ours or a right result.

`python -m tests.fuzz --seconds 60` runs all targets, `python -m tests.fuzz images --seconds 3600` one for an hour.
Every case follows from a number, which is printed with a failure: `python -m tests.fuzz images --case 4711` runs it
alone. `test_fuzz_inputs.py` runs the same targets under Hypothesis, which makes a failing case small.
"""
