"""The jobs, each as a person would run it."""
