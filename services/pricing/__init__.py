"""What a trip costs. Keeps nothing: any number of instances gives the same answers."""
