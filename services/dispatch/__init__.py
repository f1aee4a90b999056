"""Which driver takes which trip. Keeps nothing: who is taken is for `drivers` to say, so any number may run."""
