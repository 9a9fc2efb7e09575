"""What every decision has to pass: who may take it (``rights``), and that it is about what was read (``read``)."""
