"""`python -m aethergraph.cli`: the same as `aether`."""

from . import script

script()
