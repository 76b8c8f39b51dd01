"""The compiled half of the simulator: requests and steps as numbers in arrays."""
