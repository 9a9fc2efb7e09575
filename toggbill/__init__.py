"""toggbill: the ledger between Toggl Track and Billit."""
