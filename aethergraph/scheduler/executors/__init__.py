"""Where tools run that do not run on the loop or in a thread of this process."""
