"""Runs the calls of one run: starts, waits, retries, delivers in order."""
