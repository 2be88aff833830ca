-- The views of a source, {name}, over its folder {folder}. `python -m jobs.query` makes them.

CREATE VIEW "{name}_cleaned" AS
FROM read_parquet('{folder}/cleaned/*/*/*/*.parquet', union_by_name = true, hive_partitioning = true);

-- The newest revision of each key, with nothing but the columns of the source: a month of its own
-- too, which the month of the folder would hide.
CREATE VIEW "{name}" AS
SELECT * EXCLUDE (_key, _origin, _came, _object, _line)
FROM read_parquet('{folder}/cleaned/*/*/*/*.parquet', union_by_name = true, hive_partitioning = false)
QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _object DESC, _line DESC) = 1;

CREATE VIEW "{name}_rejected" AS
FROM read_json(
    '{folder}/rejected/*/*/*/*.jsonl', format = 'newline_delimited', hive_partitioning = true,
    maximum_object_size = 67108864,
    columns = {key: 'VARCHAR', came: 'TIMESTAMPTZ', origin: 'VARCHAR', object: 'BIGINT',
               line: 'BIGINT', reasons: 'VARCHAR[]', record: 'JSON'}
);

-- Each object begins with a line about itself, which has the time.
CREATE VIEW "{name}_raw" AS
SELECT max(object) OVER part AS object, max(came) OVER part AS came, origin, record, base64,
       year, month, day
FROM read_json(
    '{folder}/raw/*/*/*/*.jsonl.gz', format = 'newline_delimited', hive_partitioning = true,
    filename = true, maximum_object_size = 67108864,
    columns = {object: 'BIGINT', came: 'TIMESTAMPTZ', origin: 'VARCHAR', record: 'JSON',
               base64: 'VARCHAR'}
)
WINDOW part AS (PARTITION BY filename)
QUALIFY origin IS NOT NULL;
