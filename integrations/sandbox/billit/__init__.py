"""The imitation of Billit's REST API."""
