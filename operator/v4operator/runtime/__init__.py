"""Clock, queue, store, reflector, elector, server. Knows nothing of V4Deployment."""
