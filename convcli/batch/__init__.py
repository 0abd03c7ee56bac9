"""Many inputs to outputs: names, processes, records of a run, files whole or not at all."""
