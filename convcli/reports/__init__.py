"""Tables as data, and how they look."""
