"""What watches a model that is served."""
