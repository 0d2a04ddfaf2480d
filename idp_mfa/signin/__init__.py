"""The sign-in: a pure flow, the transaction that carries it, and the service that moves it."""
