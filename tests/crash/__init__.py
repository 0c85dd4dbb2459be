"""Runs that die, at every fact and at any instant, and go on."""
