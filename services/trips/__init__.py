"""The life of a trip, and the one place that knows it. One instance, one database."""
