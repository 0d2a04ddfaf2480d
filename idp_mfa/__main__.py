"""``python -m idp_mfa``, and the ``idp-mfa`` command."""

from idp_mfa.cli.program import main

if __name__ == "__main__":
    main()
