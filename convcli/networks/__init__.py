"""Network files: layers in order, with shapes."""
