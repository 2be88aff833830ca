# The service as a function, from an image or from the archive of build_zip.sh.
variable "name" {
  description = "Name of the function."
  type        = string
}

variable "image" {
  description = "Address and tag of the image; empty: the archive is used."
  type        = string
}

variable "archive" {
  description = "Path of the archive."
  type        = string
}

variable "python" {
  description = "Version of Python that has made the archive."
  type        = string
}

variable "memory" {
  description = "Memory in MiB."
  type        = number
}

variable "store" {
  description = "What MODEL_STORE is set to, and the policy that lets it be read."
  type        = object({ address = string, read_policy = string })
}

variable "settings" {
  description = "Further settings of the service, by name."
  type        = map(string)
}

variable "log_days" {
  description = "Days until a log line is deleted."
  type        = number
}

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
  policy = var.store.read_policy
}

resource "aws_lambda_function" "this" {
  function_name    = var.name
  role             = aws_iam_role.this.arn
  package_type     = local.is_image ? "Image" : "Zip"
  image_uri        = local.is_image ? var.image : null
  filename         = local.is_image ? null : var.archive
  source_code_hash = local.is_image ? null : filebase64sha256(var.archive)
  handler          = local.is_image ? null : "lambda_handler.handle"
  runtime          = local.is_image ? null : "python${var.python}"
  memory_size      = var.memory
  timeout          = 29
  dynamic "image_config" {
    for_each = local.is_image ? [1] : []
    content {
      entry_point       = ["/app/deploy/docker/start"]
      command           = ["function"]
      working_directory = "/app"
    }
  }
  environment {
    # The gateway has checked the key before the function is called.
    variables = merge({
      OPEN_ACCESS = "true"
      MODEL_STORE = var.store.address
    }, var.settings)
  }
  lifecycle {
    precondition {
      condition     = local.is_image || fileexists(var.archive)
      error_message = "There is no deploy/aws/service.zip: run deploy/aws/build_zip.sh, or give an image."
    }
  }
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.log]
}

output "name" { value = aws_lambda_function.this.function_name }

output "integration" {
  value = { type = "AWS_PROXY", uri = aws_lambda_function.this.invoke_arn, link = null }
}

output "alarms" {
  value = {
    throttles = {
      namespace  = "AWS/Lambda"
      metric     = "Throttles"
      statistic  = "Sum"
      most       = 10
      dimensions = { FunctionName = var.name }
    }
  }
}
