"""Arrow and Parquet, optional: pyarrow may crash its process, so files are read in another one."""

#: The end of an Arrow stream.
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
