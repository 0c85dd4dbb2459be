"""What is shown of a run, folded from its facts."""
