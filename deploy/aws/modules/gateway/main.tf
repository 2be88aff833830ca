# A gateway that asks for x-api-key, limits each key, and passes the rest on.
variable "name" {
  description = "Name of the gateway."
  type        = string
}

variable "stage" {
  description = "First part of the path."
  type        = string
}

variable "integration" {
  description = "What answers: AWS_PROXY and a function, or HTTP_PROXY, an address and a private link."
  type        = object({ type = string, uri = string, link = string })
}

variable "requests_per_second" {
  description = "Most requests per second of each key; twice as many for an instant."
  type        = number
}

locals { is_http = var.integration.type == "HTTP_PROXY" }

resource "aws_api_gateway_rest_api" "this" {
  name = var.name
  endpoint_configuration { types = ["REGIONAL"] }
  binary_media_types = ["*/*"] # bodies are passed on byte by byte
}

resource "aws_api_gateway_resource" "any" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "{proxy+}"
}

resource "aws_api_gateway_method" "any" {
  rest_api_id        = aws_api_gateway_rest_api.this.id
  resource_id        = aws_api_gateway_resource.any.id
  http_method        = "ANY"
  authorization      = "NONE"
  api_key_required   = true
  request_parameters = { "method.request.path.proxy" = true }
}

resource "aws_api_gateway_integration" "any" {
  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_resource.any.id
  http_method             = aws_api_gateway_method.any.http_method
  integration_http_method = local.is_http ? "ANY" : "POST"
  type                    = var.integration.type
  uri                     = var.integration.uri
  connection_type         = local.is_http ? "VPC_LINK" : "INTERNET"
  connection_id           = var.integration.link
  request_parameters = local.is_http ? {
    "integration.request.path.proxy" = "method.request.path.proxy"
  } : {}
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  triggers = {
    routes = sha1(jsonencode([
      aws_api_gateway_resource.any, aws_api_gateway_method.any, aws_api_gateway_integration.any,
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

output "url" { value = aws_api_gateway_stage.this.invoke_url }
output "source_arn" { value = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage}/*" }

output "key" {
  value     = aws_api_gateway_api_key.first.value
  sensitive = true
}

output "alarms" {
  value = {
    server_errors = {
      namespace  = "AWS/ApiGateway"
      metric     = "5XXError"
      statistic  = "Sum"
      most       = 10
      dimensions = { ApiName = var.name, Stage = var.stage }
    }
  }
}
