"""The help desk: who of the staff may do what for whom, the story of a sign-in, and the acts."""
