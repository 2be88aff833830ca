# Firehose reads the stream twice, and writes an object a minute.
data "aws_iam_policy_document" "deliver" {
  statement {
    actions   = ["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"]
    resources = [aws_kinesis_stream.this.arn]
  }
  statement {
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${module.bucket.arn}/${var.table}/*"]
  }
  statement {
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [module.bucket.arn]
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
    bucket_arn          = module.bucket.arn
    buffering_interval  = 60
    compression_format  = "GZIP"
    prefix              = "${var.table}/${each.key}/day=!{timestamp:yyyy-MM-dd}/"
    error_output_prefix = "${var.table}/failed/${each.key}/!{firehose:error-output-type}/day=!{timestamp:yyyy-MM-dd}/"
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
