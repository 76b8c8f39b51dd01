"""Writes what the API server is given: the CustomResourceDefinition and the admission policies."""
