# A record is fetched by the clock, put into a stream, and delivered twice: as it came, and
# cleaned. Glue names the columns of the cleaned ones, so that Athena can query them.
variable "name" { type = string }
variable "source_url" { type = string }
variable "model" { type = string }
variable "columns" { type = map(string) }
variable "every" { type = string }
variable "archive" { type = string }
variable "log_days" { type = number }

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  catalog = "arn:aws:glue:${data.aws_region.this.name}:${local.account}"
}

resource "aws_s3_bucket" "this" {
  bucket = "${var.name}-lake-${local.account}"
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_kinesis_stream" "this" {
  name             = "${var.name}-records"
  shard_count      = 1
  retention_period = 48
  encryption_type  = "KMS"
  kms_key_id       = "alias/aws/kinesis"
}

data "aws_iam_policy_document" "assume" {
  for_each = toset(["lambda.amazonaws.com", "firehose.amazonaws.com"])
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [each.key]
    }
  }
}

# The two functions: one collects, one cleans.
locals {
  functions = {
    collect = { SOURCE = var.source_url, STREAM = aws_kinesis_stream.this.name }
    clean   = { COLUMNS = jsonencode(var.columns) }
  }
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_days
}

resource "aws_iam_role" "function" {
  for_each           = local.functions
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume["lambda.amazonaws.com"].json
}

data "aws_iam_policy_document" "function" {
  for_each = local.functions
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function[each.key].arn}:*"]
  }
  dynamic "statement" {
    for_each = each.key == "collect" ? [1] : []
    content {
      actions   = ["kinesis:PutRecord"]
      resources = [aws_kinesis_stream.this.arn]
    }
  }
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = "own"
  role     = aws_iam_role.function[each.key].id
  policy   = data.aws_iam_policy_document.function[each.key].json
}

resource "aws_lambda_function" "this" {
  for_each         = local.functions
  function_name    = "${var.name}-${each.key}"
  role             = aws_iam_role.function[each.key].arn
  runtime          = "python3.12"
  handler          = "${each.key}.handle"
  filename         = var.archive
  source_code_hash = filebase64sha256(var.archive)
  timeout          = 90
  memory_size      = 128
  environment { variables = each.value }
  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}

resource "aws_cloudwatch_event_rule" "collect" {
  name                = "${var.name}-collect"
  schedule_expression = var.every
}

resource "aws_cloudwatch_event_target" "collect" {
  rule = aws_cloudwatch_event_rule.collect.name
  arn  = aws_lambda_function.this["collect"].arn
}

resource "aws_lambda_permission" "clock" {
  statement_id  = "clock"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["collect"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.collect.arn
}

data "aws_iam_policy_document" "deliver" {
  statement {
    actions   = ["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"]
    resources = [aws_kinesis_stream.this.arn]
  }
  statement {
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${aws_s3_bucket.this.arn}/${var.model}/*"]
  }
  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.this.arn]
  }
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = ["${aws_lambda_function.this["clean"].arn}:$LATEST"]
  }
}

resource "aws_iam_role" "deliver" {
  name               = "${var.name}-deliver"
  assume_role_policy = data.aws_iam_policy_document.assume["firehose.amazonaws.com"].json
}

resource "aws_iam_role_policy" "deliver" {
  name   = "deliver"
  role   = aws_iam_role.deliver.id
  policy = data.aws_iam_policy_document.deliver.json
}

resource "aws_kinesis_firehose_delivery_stream" "this" {
  for_each    = toset(["raw", "cleaned"])
  name        = "${var.name}-${each.key}"
  destination = "extended_s3"
  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.this.arn
    role_arn           = aws_iam_role.deliver.arn
  }
  extended_s3_configuration {
    role_arn            = aws_iam_role.deliver.arn
    bucket_arn          = aws_s3_bucket.this.arn
    buffering_interval  = 60
    compression_format  = "GZIP"
    prefix              = "${var.model}/${each.key}/date=!{timestamp:yyyy-MM-dd}/"
    error_output_prefix = "${var.model}/failed/${each.key}/!{firehose:error-output-type}/date=!{timestamp:yyyy-MM-dd}/"
    dynamic "processing_configuration" {
      for_each = each.key == "cleaned" ? [1] : []
      content {
        enabled = true
        processors {
          type = "Lambda"
          parameters {
            parameter_name  = "LambdaArn"
            parameter_value = "${aws_lambda_function.this["clean"].arn}:$LATEST"
          }
        }
      }
    }
  }
  depends_on = [aws_iam_role_policy.deliver]
}

resource "aws_glue_catalog_database" "this" {
  name = replace(var.name, "-", "_")
}

resource "aws_glue_catalog_table" "cleaned" {
  name          = var.model
  database_name = aws_glue_catalog_database.this.name
  table_type    = "EXTERNAL_TABLE"
  parameters = {
    "projection.enabled"        = "true"
    "projection.date.type"      = "date"
    "projection.date.format"    = "yyyy-MM-dd"
    "projection.date.range"     = "2026-01-01,NOW"
    "storage.location.template" = "s3://${aws_s3_bucket.this.id}/${var.model}/cleaned/date=$${date}/"
  }
  partition_keys {
    name = "date"
    type = "string"
  }
  storage_descriptor {
    location      = "s3://${aws_s3_bucket.this.id}/${var.model}/cleaned/"
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
    result_configuration { output_location = "s3://${aws_s3_bucket.this.id}/queries/" }
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
      "${local.catalog}:catalog", aws_glue_catalog_database.this.arn, aws_glue_catalog_table.cleaned.arn,
    ]
  }
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.this.arn}/${var.model}/cleaned/*", "${aws_s3_bucket.this.arn}/queries/*"]
  }
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.this.arn}/queries/*"]
  }
  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]
  }
}

resource "aws_iam_policy" "query" {
  name   = "${var.name}-query"
  policy = data.aws_iam_policy_document.query.json
}

output "bucket" { value = aws_s3_bucket.this.id }
output "stream" { value = aws_kinesis_stream.this.name }
