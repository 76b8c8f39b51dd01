"""Step models of replicas and fleets, in virtual time and as live emulated engines."""
