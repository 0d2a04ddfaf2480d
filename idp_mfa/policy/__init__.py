"""The policy: one pure question, asked at first sign-in, SSO, step-up and in the portal alike."""
