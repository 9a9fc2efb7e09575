"""Who is told what by mail, each when its row says so."""
