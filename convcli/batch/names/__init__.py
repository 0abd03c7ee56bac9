"""Names of inputs and outputs, before anything is read."""
