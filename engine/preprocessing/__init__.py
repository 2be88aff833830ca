"""Steps of a pipeline that know the kinds of field."""
