"""What is run by hand around the project: set-up, tests, style, demo."""
