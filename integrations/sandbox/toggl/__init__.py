"""The imitation of Toggl Track v9 and Reports v3."""
