"""What people and machines see of a verdict: status, conditions, metrics, sentences."""
