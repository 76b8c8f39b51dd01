"""Verdict -> effects on the world, each with a precondition."""
