"""Measures convcli beside the libraries and programs that people use, on pictures it makes itself."""
