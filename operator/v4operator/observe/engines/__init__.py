"""What each engine's metrics mean: one file an engine, pure tables and functions."""
