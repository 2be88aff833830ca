"""Other protocols, spoken by adapters."""
