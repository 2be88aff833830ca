# The table of the cleaned records, and what it takes to query it.
resource "aws_glue_catalog_database" "this" {
  name = replace(var.name, "-", "_")
}

resource "aws_glue_catalog_table" "cleaned" {
  name          = var.table
  database_name = aws_glue_catalog_database.this.name
  table_type    = "EXTERNAL_TABLE"
  parameters = {
    "projection.enabled"        = "true"
    "projection.day.type"       = "date"
    "projection.day.format"     = "yyyy-MM-dd"
    "projection.day.range"      = "2026-01-01,NOW"
    "storage.location.template" = "s3://${module.bucket.id}/${var.table}/cleaned/day=$${day}/"
  }
  partition_keys {
    name = "day"
    type = "string"
  }
  storage_descriptor {
    location      = "s3://${module.bucket.id}/${var.table}/cleaned/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    ser_de_info { serialization_library = "org.openx.data.jsonserde.JsonSerDe" }
    dynamic "columns" {
      for_each = var.columns
      content {
        name = columns.key
        type = columns.value
      }
    }
  }
}

resource "aws_athena_workgroup" "this" {
  name = var.name
  configuration {
    bytes_scanned_cutoff_per_query = 1073741824
    result_configuration { output_location = "s3://${module.bucket.id}/queries/" }
  }
}

# What an analyst needs for a query, and no more.
data "aws_iam_policy_document" "query" {
  statement {
    actions   = ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StopQueryExecution"]
    resources = [aws_athena_workgroup.this.arn]
  }
  statement {
    actions = ["glue:GetDatabase", "glue:GetTable", "glue:GetPartitions"]
    resources = [
      "arn:aws:glue:${data.aws_region.this.name}:${data.aws_caller_identity.this.account_id}:catalog",
      aws_glue_catalog_database.this.arn, aws_glue_catalog_table.cleaned.arn,
    ]
  }
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${module.bucket.arn}/${var.table}/cleaned/*", "${module.bucket.arn}/queries/*"]
  }
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${module.bucket.arn}/queries/*"]
  }
  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [module.bucket.arn]
  }
}

resource "aws_iam_policy" "query" {
  name   = "${var.name}-query"
  policy = data.aws_iam_policy_document.query.json
}
