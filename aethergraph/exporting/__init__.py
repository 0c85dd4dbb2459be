"""From an agent of a notebook to a module, and the proof that both do the same.

`export` writes the module of an agent that is defined here, `export_run` of one that a run was started with, and
`export_notebook` of one in a file; `verify` runs a module as a recorded run ran and compares.
"""

from __future__ import annotations

from .export import export, export_notebook, export_run
from .verifying import Proof, verify

__all__ = ["Proof", "export", "export_notebook", "export_run", "verify"]
