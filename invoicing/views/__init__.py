"""The pages: every view is for members of a firm and shows that firm's rows only; what is not there is 404."""
