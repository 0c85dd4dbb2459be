"""`python -m aethergraph.cli`: the same as `aether`."""

from . import main

raise SystemExit(main())
