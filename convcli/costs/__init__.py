"""What kernels, layers and networks cost: parameters, MACs, sizes, what they see, and the time they take.

Every count comes from the kernel types in `convcli.ops`; nothing here has a formula of its own. Counting needs no
numpy.
"""
