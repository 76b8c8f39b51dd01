"""Clock, HTTP server, heartbeat. Knows nothing of V4Deployment."""
