"""One format, one file or folder."""
