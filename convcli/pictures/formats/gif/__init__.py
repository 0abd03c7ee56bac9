"""GIF files written: one palette for all frames, and of each frame what changed."""
