"""One file or folder per factor; conf names those that are used."""
