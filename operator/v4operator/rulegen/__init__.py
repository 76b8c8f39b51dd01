"""Writes what Prometheus and Alertmanager are given: recording rules, alerts, routes."""
