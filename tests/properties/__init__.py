"""Tests of what holds for any run."""
