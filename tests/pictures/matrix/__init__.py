"""A matrix of picture files, made by the formats' specifications, against what is right for each of them.

`python -m tests.pictures.matrix` runs it and prints how many cells came out right, were refused, or are wrong.
"""
