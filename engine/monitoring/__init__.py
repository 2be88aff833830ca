"""What became of the answers: kept, compared with the truth, and with what was learnt from."""
