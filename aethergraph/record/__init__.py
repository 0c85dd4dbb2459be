"""The facts of a run and what follows from them: pure, without clock, disk or loop."""
