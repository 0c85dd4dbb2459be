"""Tests of the notebook side, in real shells and kernels."""
