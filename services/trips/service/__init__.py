"""The rules of a trip: `states` within one transaction, `lifecycle` and `settling` across services."""
