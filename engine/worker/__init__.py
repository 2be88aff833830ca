"""How requests come in: the gunicorn worker."""
