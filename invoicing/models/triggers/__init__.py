"""What the database itself refuses or keeps, whoever writes it."""
