"""What Django's database backends lack: triggers, and migrations that get along with them."""
