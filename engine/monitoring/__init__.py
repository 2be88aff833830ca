"""What becomes of predictions: stored, compared with the truth and with the training rows."""
