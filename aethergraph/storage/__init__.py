"""What lies in the store, and who may write it."""
