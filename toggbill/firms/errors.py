"""What a verb raises when it will not do what it was asked: for whoever asked, in their language."""


class NotPossible(Exception):
    """The state of things does not allow it; ``str()`` says what, why, and what to do."""
