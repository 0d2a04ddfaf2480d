"""What `make run` starts: the product on embedded parts, and a service to sign in to."""
