"""Forecast -> Verdict: how many replicas, and why. Pure."""
