"""The set-up guide: from an empty firm to its first invoice, step by step, left and resumed at any time."""
