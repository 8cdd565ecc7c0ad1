"""What the built-in networks share: an encoder, and the drawn scenes that they learned from."""
