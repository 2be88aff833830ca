"""The API's description, made from the cards."""
