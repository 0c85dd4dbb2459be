"""A process that goes on with a run of whose agent it knows nothing but what the store has."""

from __future__ import annotations

import sys
from contextlib import closing

from aethergraph import Runtime

if __name__ == "__main__":
    print("up", flush=True)
    with closing(Runtime(sys.argv[1])) as runtime:
        runtime.resume(sys.argv[2]).result()
