"""Runs from outside: begin, find, park, wake, resume, fork, collect."""
