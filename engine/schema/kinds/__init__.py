"""The kinds of field: a file each, and `field.py`, what all of them answer."""
