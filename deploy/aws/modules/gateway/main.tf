variable "name" { type = string }
variable "stage" { type = string }
variable "function" { type = string }
variable "function_invoke_arn" { type = string }
variable "requests_per_second" { type = number }

resource "aws_api_gateway_rest_api" "this" {
  name = var.name
  endpoint_configuration { types = ["REGIONAL"] }
  binary_media_types = ["application/octet-stream", "application/vnd.apache.parquet"]
}

resource "aws_api_gateway_resource" "any" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "{proxy+}"
}

resource "aws_api_gateway_method" "any" {
  rest_api_id      = aws_api_gateway_rest_api.this.id
  resource_id      = aws_api_gateway_resource.any.id
  http_method      = "ANY"
  authorization    = "NONE"
  api_key_required = true
}

resource "aws_api_gateway_integration" "any" {
  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_resource.any.id
  http_method             = aws_api_gateway_method.any.http_method
  integration_http_method = "POST"
  type                    = "AWS_PROXY"
  uri                     = var.function_invoke_arn
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  triggers = {
    routes = sha1(jsonencode([
      aws_api_gateway_resource.any.id, aws_api_gateway_method.any.api_key_required,
      aws_api_gateway_integration.any.uri,
    ]))
  }
  lifecycle { create_before_destroy = true }
}

resource "aws_api_gateway_stage" "this" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = var.stage
}

resource "aws_api_gateway_api_key" "first" {
  name = "${var.name}-first"
}

resource "aws_api_gateway_usage_plan" "this" {
  name = var.name
  api_stages {
    api_id = aws_api_gateway_rest_api.this.id
    stage  = aws_api_gateway_stage.this.stage_name
  }
  throttle_settings {
    rate_limit  = var.requests_per_second
    burst_limit = 2 * var.requests_per_second
  }
}

resource "aws_api_gateway_usage_plan_key" "first" {
  key_id        = aws_api_gateway_api_key.first.id
  key_type      = "API_KEY"
  usage_plan_id = aws_api_gateway_usage_plan.this.id
}

resource "aws_lambda_permission" "gateway" {
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = var.function
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage}/*"
}

output "url" { value = aws_api_gateway_stage.this.invoke_url }
output "key" {
  value     = aws_api_gateway_api_key.first.value
  sensitive = true
}
