"""Arrow and Parquet, optional: read in a process apart, since pyarrow may end the one it is in."""
