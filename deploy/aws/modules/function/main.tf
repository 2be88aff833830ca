variable "name" { type = string }
variable "image" { type = string }
variable "archive" { type = string }
variable "memory" { type = number }
variable "store_bucket" { type = string }
variable "store_rights" { type = string }
variable "settings" { type = map(string) }
variable "concurrency" { type = number }
variable "log_days" { type = number }

locals { is_image = var.image != "" }

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_days
}

data "aws_iam_policy_document" "log" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-function"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "log" {
  name   = "log"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.log.json
}

resource "aws_iam_role_policy" "store" {
  name   = "store"
  role   = aws_iam_role.this.id
  policy = var.store_rights
}

resource "aws_lambda_function" "this" {
  function_name                  = var.name
  role                           = aws_iam_role.this.arn
  package_type                   = local.is_image ? "Image" : "Zip"
  image_uri                      = local.is_image ? var.image : null
  filename                       = local.is_image ? null : var.archive
  source_code_hash               = local.is_image ? null : filebase64sha256(var.archive)
  handler                        = local.is_image ? null : "lambda_handler.handle"
  runtime                        = local.is_image ? null : "python3.12"
  memory_size                    = var.memory
  timeout                        = 29
  reserved_concurrent_executions = var.concurrency
  environment {
    # The gateway has checked the key before the function is called.
    variables = merge({
      OPEN_ACCESS     = "true"
      TRAIN_IF_ABSENT = "false"
      MODEL_STORE     = "s3://${var.store_bucket}/models"
    }, var.settings)
  }
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.log]
}

output "name" { value = aws_lambda_function.this.function_name }
output "invoke_arn" { value = aws_lambda_function.this.invoke_arn }
