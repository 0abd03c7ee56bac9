"""Filter banks: kernels that mix channels."""
