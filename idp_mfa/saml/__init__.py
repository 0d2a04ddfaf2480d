"""The SAML 2.0 identity provider: protocol in pure functions, HTTP in endpoints.py alone."""
