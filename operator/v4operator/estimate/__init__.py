"""Observation -> Forecast: memory, throughput, demand, start-up. Pure."""
