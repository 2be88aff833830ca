"""What is known of models while they serve: the log is drained, quality and drift measured."""
