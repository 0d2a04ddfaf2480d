"""idp_mfa: the second-factor step of a university's single sign-on."""
