"""Scaling policies on one footing: the operator's own, and its rivals from their documentation."""
