"""Other systems' clients, asked to speak with a running service."""
