"""Where registered services are kept: shared in the store, and a last good copy on each node."""
