"""Frozen values that travel between the stages.

No behaviour here but arithmetic on the value itself. Absent is `None`, never 0.
Units stand in the names: `_bytes`, `_seconds`, `_tokens`, `_ratio` (0 to 1).
Times are Unix seconds.
"""
