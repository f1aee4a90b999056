"""The fleet's own data: the zones' file and the database."""
