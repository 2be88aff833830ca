# A record is fetched every few minutes, put into a stream, and delivered twice: as it came, and
# cleaned. Glue names the columns of the cleaned ones, so that Athena can query them.
variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "source_url" {
  description = "Address of the API whose records are collected."
  type        = string
}

variable "table" {
  description = "Name of the table, and first part of each object's name."
  type        = string
}

variable "columns" {
  description = "Columns of the table and their types: bigint, double or string."
  type        = map(string)
}

variable "every" {
  description = "Schedule of the collection, as EventBridge takes it."
  type        = string
}

variable "archive" {
  description = "Path of the archive with the two functions."
  type        = string
}

variable "python" {
  description = "Version of Python of the functions."
  type        = string
}

variable "log_days" {
  description = "Days until a log line is deleted."
  type        = number
}

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}

module "bucket" {
  source = "../bucket"
  name   = "${var.name}-lake-${data.aws_caller_identity.this.account_id}"
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
  runtime          = "python${var.python}"
  handler          = "${each.key}.handle"
  filename         = var.archive
  source_code_hash = filebase64sha256(var.archive)
  timeout          = 60
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

output "address" { value = "s3://${module.bucket.id}/${var.table}" }
output "stream" { value = aws_kinesis_stream.this.name }
output "query_policy" { value = aws_iam_policy.query.arn }

output "alarms" {
  value = {
    collect_errors = {
      namespace  = "AWS/Lambda"
      metric     = "Errors"
      statistic  = "Sum"
      most       = 2 # AWS tries three times
      dimensions = { FunctionName = aws_lambda_function.this["collect"].function_name }
    }
    delivery_age = {
      namespace  = "AWS/Firehose"
      metric     = "DeliveryToS3.DataFreshness"
      statistic  = "Maximum"
      most       = 900
      dimensions = { DeliveryStreamName = aws_kinesis_firehose_delivery_stream.this["cleaned"].name }
    }
  }
}
