variable "name" { type = string }
variable "email" { type = string }
variable "function" { type = string }
variable "balancer" { type = string }
variable "budget_usd" { type = number }

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

locals {
  alarms = merge(
    var.function == "" ? {} : {
      errors    = { namespace = "AWS/Lambda", metric = "Errors", most = 0 }
      throttles = { namespace = "AWS/Lambda", metric = "Throttles", most = 10 }
    },
    var.balancer == "" ? {} : {
      failures  = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", most = 10 }
      unhealthy = { namespace = "AWS/ApplicationELB", metric = "RejectedConnectionCount", most = 0 }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.metric} of ${var.name} above ${each.value.most} in 5 minutes"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = var.function != "" ? { FunctionName = var.function } : { LoadBalancer = var.balancer }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = each.value.most
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  cost_filter {
    name   = "TagKeyValue"
    values = ["user:project$${var.name}"]
  }
  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      notification_type          = notification.key
      subscriber_email_addresses = [var.email]
    }
  }
}
