"""A first API of one table, as a person would write it with each tool."""
