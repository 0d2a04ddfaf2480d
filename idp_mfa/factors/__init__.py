"""One file per factor; conf names those that are used."""
