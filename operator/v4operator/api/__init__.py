"""The V4Deployment resource: what a person writes, checked, and the status they read."""
