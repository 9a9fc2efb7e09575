"""Work in progress: what hours are worth that are not billed, how much of it is billed, how long it takes."""
