"""The audit: pipelines fitted independently on odd tables, against the running service."""
