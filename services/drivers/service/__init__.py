"""The rules of supply, of nearness and of reserving."""
