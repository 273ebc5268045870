"""What is trained and saved."""
