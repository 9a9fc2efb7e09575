"""What a person changes of a waiting draft."""
