"""Records: read from any form, validated, and written in any form."""
