"""The siege: attackers of each kind beside a good client, against a service with little memory."""
