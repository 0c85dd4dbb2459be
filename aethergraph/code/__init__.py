"""How the code of the user is found, pinned, compared, stored and made again."""
