"""Truthful, Prometheus-native monitoring and autoscaling for self-hosted DeepSeek V4."""

__version__ = "0.1.0"
