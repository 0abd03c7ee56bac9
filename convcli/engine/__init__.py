"""How a convolution is computed: windows of the input in bands, one algorithm each for planes, banks, stamps, samples."""
