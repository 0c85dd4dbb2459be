"""What users write: tools, reactive and static agents."""
