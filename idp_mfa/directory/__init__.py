"""Directories: who people are, and the sealed records of their factors."""
