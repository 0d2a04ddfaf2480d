"""Pages of our own: the sign-in, the portal, and what machines ask about health."""
