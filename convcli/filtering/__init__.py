"""A chain of kernels on a picture or array: float in between, alpha, light, channels, one rounding at the end."""
