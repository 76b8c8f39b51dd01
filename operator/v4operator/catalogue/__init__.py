"""Checkpoints, accelerators, engines, prices: data files with a source for every figure."""
