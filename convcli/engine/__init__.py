"""How a convolution is computed: input windows in bands; one algorithm each for planes, banks, stamps, samples."""
