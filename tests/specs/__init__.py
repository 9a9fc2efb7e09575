"""The sandbox and the clients against the vendors' specifications, which are read from `SPECS_DIR` and never kept."""
