"""The pages on which a firm connects Toggl and Billit, sees how its connections are, and takes them away."""
