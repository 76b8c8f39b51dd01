"""Fleets of replicas by the day in seconds: for judging scaling policies, not for live engines."""
