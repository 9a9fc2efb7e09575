"""What needs a decision: gathered by cause, with what can be chosen, and decided for all alike hours at once."""
