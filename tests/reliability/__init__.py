"""How convcli behaves when things go wrong, counted: damaged files, kills at random moments, batches with bad files.

`python -m tests.reliability` prints the tables of RELIABILITY.md in some minutes; `--share 0.02` tries it out.
"""
