"""Money: a trip is charged once, however often that is asked. One instance, one database."""
