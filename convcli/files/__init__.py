"""Files before anybody knows what they show: bytes of files and pipes within limits, and arrays of numbers."""
